package signin

import "time"

const (
	minPasswordBytes = 12
	maxPasswordBytes = 256
	hashMemory       = 64 << 10 // KiB of one Argon2id computation
	hashPasses       = 3
	hashLanes        = 2
	hashesAtOnce     = 2 // so much memory at once, whoever tries

	maxSessions     = 4_096
	maxSessionsEach = 16      // of one person
	maxSessionBytes = 4 << 10 // of one on disk
	sweepEvery      = time.Minute
	writeEvery      = time.Minute // when a session was used last may be so much older on disk
	maxLifetime     = 7 * 24 * time.Hour
	maxCeremonies   = 1_024
	ceremonyTime    = 5 * time.Minute
	maxProviderBody = 1 << 20

	// Of wrong passwords for one name from one place: a burst, then one each.
	triesBurst = 5
	triesEvery = 30 * time.Second
	maxTried   = 4_096

	// Of ceremonies from one place, which may be a whole agency's.
	ceremonyBurst = 60
	ceremonyEvery = 5 * time.Second
)
