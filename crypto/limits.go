package crypto

// Bounds on everything that is parsed.
const (
	// MaxRecipients bounds the session-key packets of a sealed message.
	MaxRecipients = 64
	// MaxSealedBytes bounds a sealed message before anything of it is parsed.
	MaxSealedBytes = 4 << 20
	// MaxCertificateBytes bounds a certificate, MaxSecretBytes a secret key.
	MaxCertificateBytes = 64 << 10
	MaxSecretBytes      = 64 << 10
	// MaxLockedBytes bounds a passphrase-locked file.
	MaxLockedBytes = 1 << 20

	maxSessionKeyPacket = 4 << 10
	// Chunk octets of AEAD encryption (chunk = 1 << (octet+6)): 4 KiB for single events, at most 64 KiB. The sender
	// chooses it and the reader allocates it, so more is refused.
	chunkSmall = 6
	chunkLarge = 10

	// Argon2id work that a locked file may ask for.
	maxArgonPasses   = 8
	maxArgonParallel = 16
	maxArgonMemory   = 18 // exponent: 2^18 KiB = 256 MiB
	argonPasses      = 3
	argonParallel    = 4
	argonMemoryKiB   = 64 << 10
)
