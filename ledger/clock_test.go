package ledger_test

import (
	"testing"
	"time"

	"vigil/crypto"
	"vigil/ledger"
	"vigil/ledger/ledgertest"
)

// TestAClockTwoHoursOffStopsNothing: what a member with a wrong clock made and signs holds for everyone else, and is
// opened by everyone else. The library judges keys and signatures by today's date; nothing here does.
func TestAClockTwoHoursOffStopsNothing(t *testing.T) {
	for name, off := range map[string]time.Duration{"ahead": 2 * time.Hour, "behind": -2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			now := time.Unix(1_700_000_000, 0)
			wrong := ledgertest.NewMember(t, "in/wrong")
			var err error
			if wrong.Key, err = crypto.GenerateAgencyKey(crypto.SuitePQ, now.Add(off)); err != nil {
				t.Fatal(err)
			}
			j := ledgertest.FoundBy(t, "in", ledgertest.NewMember(t, "in/a"), ledgertest.NewMember(t, "in/b"), wrong)

			// It makes the next key of everyone, and writes, both at its own time.
			right := j.Now
			j.Now = right.Add(off)
			a, _ := j.State.Governance.Audience("in/*")
			key, err := crypto.GenerateAgencyKey(crypto.SuitePQ, j.Now)
			if err != nil {
				t.Fatal(err)
			}
			epoch, err := ledger.MakeEpoch(key, "in/*", a.Epoch+1, j.State.Governance.Agencies)
			if err != nil {
				t.Fatal(err)
			}
			j.Govern(t, 2, &ledger.NewEpoch{Roster: j.State.Governance.Version, Epoch: epoch})
			j.Epochs = append(j.Epochs, key)
			theirs := j.Seal(t, 2, []ledger.AudienceName{"in/*"}, ledgertest.Event("at its own time"))

			// The others seal to that key at the right time, and everyone opens everything.
			j.Now = right.Add(time.Minute)
			ours := j.Seal(t, 0, []ledger.AudienceName{"in/*", "in/wrong"}, ledgertest.Event("at the right time"))
			for _, e := range []ledger.Entry{theirs, ours} {
				rec, err := e.Open()
				if err != nil {
					t.Fatal(err)
				}
				for member := range j.Members {
					shares := crypto.NewKeyring(j.Members[member].Key)
					k, err := epoch.OpenShare(j.Members[member].ID, shares)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := ledger.OpenPayload(e.Payload, rec, shares.With(k)); err != nil {
						t.Errorf("member %d: %v", member, err)
					}
				}
			}

			// What it cosigns carries its time, and moves nobody's "no later than" by it.
			cp := ledger.Checkpoint{Origin: j.Origin(), Size: j.State.Size(), Root: j.State.Root(), State: j.State.Line()}
			var lines []string
			for i, m := range j.Members {
				at := j.Now
				if i == 2 {
					at = at.Add(off)
				}
				l, err := ledger.Cosign(cp, m.ID, m.Checkpoint, at)
				if err != nil {
					t.Fatal(err)
				}
				lines = append(lines, l)
			}
			_, valid, err := ledger.VerifyCosignatures(ledger.Assemble(cp, lines...), j.State.Governance.CheckpointKeys())
			if err != nil {
				t.Fatal(err)
			}
			if ok, at := ledger.Counts(valid, j.State.Governance.QuorumSize()); !ok || at != j.Now.Unix() {
				t.Errorf("counts %v, no later than %s, the time was %s", ok, time.Unix(at, 0), j.Now)
			}
		})
	}
}
