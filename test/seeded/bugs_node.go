package main

// nodeBugs are safeguards of what touches disks, clocks, networks and people.
var nodeBugs = []bug{
	{
		name: "no-fsync-of-the-log", takes: "that raft's log is on the disk before anything is acknowledged",
		file: "node/cluster/purge.go", from: "raftboltdb.Options{Path: path,", to: "raftboltdb.Options{NoSync: true, Path: path,",
		pkg: "test/crash", test: "Power", args: "-cuts 80",
	},
	{
		name: "no-fsync-of-names", takes: "that a replaced file's directory is synced",
		file: "node/durable/durable.go", from: "\treturn SyncDir(filepath.Dir(path))\n}\n\n// Rename", to: "\treturn nil\n}\n\n// Rename",
		pkg: "test/crash", test: "Power", args: "-cuts 200",
	},
	{
		name: "no-fsync-of-payloads", takes: "that a payload is on the disk before its entry is",
		file: "node/store/segment.go", from: "func (s *segments) sync() error { return s.file.Sync() }", to: "func (s *segments) sync() error { return nil }",
		pkg: "test/crash", test: "Power", args: "-cuts 200",
	},
	{
		name: "acknowledged-before-commit", takes: "that the leader waits for a majority before it says yes",
		file: "node/cluster/propose.go", from: "\terr := future.Error()\n\tswitch {", to: "\terr := error(nil)\n\tfor _, p := range batch {\n\t\tp.done <- answer{results: make([]ledger.Result, len(p.entries))}\n\t}\n\tif err == nil {\n\t\treturn\n\t}\n\tswitch {",
		pkg: "node/cluster", test: "Minority",
	},
	{
		name: "mirror-before-disk", takes: "that a mirror's batches are known before they are on disk",
		file: "node/store/outgoing.go", from: "later = append(later, o.journal...)", to: "later = append(later, o.journal[:0]...)",
		pkg: "node/store", test: "AMirrorIsWhole",
	},
	{
		name: "log-never-shrinks", takes: "that raft's log is written anew where most of its file is free",
		file: "node/cluster/purge.go", from: "if free < leastFreed || info.Size()-free > mostTidied {", to: "if free < leastFreed || info.Size() > 0 {",
		pkg: "node/cluster", test: "ALogThatShrank",
	},
	{
		name: "backup-chain", takes: "that a backup which goes on from another is read behind that one only",
		file: "node/backup_check.go", from: "case p.Base != fmt.Sprintf(\"%x\", sha256.Sum256(before.head)) || p.From != before.Entries:", to: "case p.From > before.Entries:",
		pkg: "node", test: "BackupGoesOn",
	},
	{
		name: "backup-of-another-history", takes: "that a backup goes on only from one of the same history",
		file: "node/store/journal.go", from: "if err == nil && root != after.Root {", to: "if err == nil && root == (tlog.Hash{}) {",
		pkg: "node", test: "BackupGoesOn",
	},
	{
		name: "approved-blindly", takes: "that a binary approves no format that it cannot follow",
		file: "node/proposals.go", from: "ok && raise.Format > ledger.StateFormat {", to: "ok && raise == nil {",
		pkg: "node", test: "WhatABinaryCannotFollow",
	},
	{
		name: "fast-heartbeats", takes: "that heartbeats take raft's slow path (hashicorp/raft issue 695)",
		file: "node/cluster/transport.go", from: "\tif !t.fast {", to: "\tif t.out == nil {",
		pkg: "node/cluster", test: "Heartbeats",
	},
	{
		name: "clock-tells-twins", takes: "that two processes with one key find each other whatever their clocks say",
		file: "node/cluster/memory.go", from: "(other.At > now.Started || hear > 1)", to: "other.At > now.Started && hear > 0",
		pkg: "node/cluster", test: "ClockThatWasSet",
	},
	{
		name: "old-words-make-twins", takes: "that one member cannot end a node by playing its words from before its start",
		file: "node/cluster/memory.go", from: "(other.At > now.Started || hear > 1)", to: "hear > 0",
		pkg: "node/cluster", test: "ClockThatWasSet",
	},
	{
		name: "last-word-makes-a-twin", takes: "that what is remembered of a process that has ended is no process beside its successor",
		file: "node/cluster/memory.go", from: "\treturn seen.words >= twinWords &&", to: "\treturn seen.words > 0 &&",
		pkg: "node/cluster", test: "ClockThatWasSet",
	},
	{
		name: "named-by-its-clock", takes: "that a node is named as rolled back after it has said less for a while, and not because its clock was set",
		file: "node/cluster/memory.go", from: "return time.Since(before.short) > backAfter", to: "return s.At-before.was.At > backAfter.Milliseconds()",
		pkg: "node/cluster", test: "SaysLess",
	},
	{
		name: "hand-over-before-its-leader", takes: "that a hand-over is a lie only where another has led for long",
		file: "node/cluster/guard.go", from: " || time.Since(now.since) < lateWindow {", to: " {",
		pkg: "node/cluster", test: "AHandOver",
	},
	{
		name: "heartbeats-tell-all", takes: "that a leader that sends heartbeats alone may not have come to telling of its log",
		file: "node/cluster/guard.go", from: "(time.Since(r.told) < leaderHeard || time.Since(r.steady) > leaderTells)", to: "true",
		pkg: "node/cluster", test: "WhoFollows",
	},
	{
		name: "late-under-many-leaders", takes: "that nobody is accused of what did not come while one leader followed the other",
		file: "node/author/confirm.go", from: " || leads != term {", to: " || leads < term {",
		pkg: "node/author", test: "CutOff",
	},
	{
		name: "numbers-too-high", takes: "that a leader that calls every number of this node too high refuses",
		file: "node/author/author.go", from: "case r.Verdict == ledger.Gap && refused:", to: "case r.Verdict == ledger.Gap && (refused || i >= 0):",
		pkg: "node/author", test: "RefusesForEver",
	},
	{
		name: "log-gaps", takes: "that raft knows its log store wants no gaps (hashicorp/raft issue 697)",
		file: "node/cluster/cluster.go", from: "func (monotonic) IsMonotonic() bool { return true }", to: "func (monotonic) IsMonotonic() bool { return false }",
		pkg: "node/cluster", test: "FarBehind",
	},
	{
		name: "log-checksum", takes: "the checksum of an entry of raft's log",
		file: "node/cluster/logstore.go", from: "if logSum(binary.BigEndian.Uint32(e.Extensions), e) != binary.BigEndian.Uint32(e.Extensions[4:]) {", to: "if e == nil {",
		pkg: "node/cluster", test: "BitFlip",
	},
	{
		name: "log-chain", takes: "the chain between entries of raft's log",
		file: "node/cluster/logstore.go", from: "if i > first && binary.BigEndian.Uint32(e.Extensions) != before {", to: "if i < first && before == 1 {",
		pkg: "node/cluster", test: "Chain",
	},
	{
		name: "vote-checksum", takes: "the checksum of raft's term and vote",
		file: "node/cluster/logstore.go", from: "if crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value) != sum {", to: "if sum == 0 && len(value) > 1<<20 {",
		pkg: "node/cluster", test: "DamagedVote",
	},
	{
		name: "hung-disk", takes: "the watchdog over writes to raft's log",
		file: "node/cluster/logstore.go", from: "watchdog := time.AfterFunc(l.hung, func() {", to: "watchdog := time.AfterFunc(l.hung*1000, func() {",
		pkg: "node/cluster", test: "HungDisk",
	},
	{
		name: "bad-configuration", takes: "that a configuration that does not decode is stored",
		file: "node/cluster/guard.go", from: "if err := checkConfiguration(e.Data); err != nil {\n\t\t\t\treturn err\n\t\t\t}", to: "_ = checkConfiguration",
		pkg: "node/cluster", test: "NoHonestPeer",
	},
	{
		name: "applied-replaced", takes: "that an applied entry of raft's log is never replaced",
		file: "node/cluster/guard.go", from: "if have.Term != e.Term {", to: "if have.Term > e.Term+1<<40 {",
		pkg: "node/cluster", test: "NoHonestPeer",
	},
	{
		name: "unannounced-transfer", takes: "that leadership is transferred only as its holder announced",
		file: "node/cluster/guard.go", from: "if g.transfer != peer || time.Now().After(g.until) {", to: "if peer == (crypto.NodeID{}) {",
		pkg: "node/cluster", test: "NoHonestPeer",
	},
	{
		name: "another-sender", takes: "that an RPC names the node its connection belongs to",
		file: "node/cluster/guard.go", from: "if string(with.GetRPCHeader().ID) != peer.String() {", to: "if len(with.GetRPCHeader().ID) == 0 {",
		pkg: "node/cluster", test: "NoHonestPeer",
	},
	{
		name: "strangers", takes: "that only the roster's nodes are spoken to",
		file: "node/cluster/belong.go", from: "func (c *Cluster) speaks(id crypto.NodeID) bool {\n", to: "func (c *Cluster) speaks(id crypto.NodeID) bool {\n\tif id != (crypto.NodeID{}) {\n\t\treturn true\n\t}\n",
		pkg: "node/cluster", test: "Strangers|Removed",
	},
	{
		name: "redirects", takes: "that a member cannot send a node's requests elsewhere, in clear",
		file: "node/cluster/http.go", from: "return http.ErrUseLastResponse }, // nobody", to: "return nil }, // nobody",
		pkg: "node/cluster", test: "SendsNobody",
	},
	{
		name: "rolled-back", takes: "that a node believes what others remember of it",
		file: "node/cluster/hearing.go", from: "err == nil && now.behind(was) {", to: "err == nil && now.behind(was) && c == nil {",
		pkg: "node/cluster", test: "RolledBack",
	},
	{
		name: "unheard", takes: "that a majority must have answered before a node takes part",
		file: "node/cluster/hearing.go", from: "return agree > len(voters)/2, nil", to: "return true, nil",
		pkg: "node/cluster", test: "Unheard",
	},
	{
		name: "raft-keeps-the-expunged", takes: "that raft's log is written anew after an expungement",
		file: "node/cluster/purge.go", from: "\tif err == nil {\n\t\terr = c.bolt.rewrite()\n\t}\n", to: "",
		pkg: "node/cluster", test: "RaftForgets",
	},
	{
		name: "value-checksum", takes: "the checksum of a value of the ledger's file",
		file: "node/store/bolt.go", from: "if n < 0 || sumOf(name, key, raw[:n]) != binary.BigEndian.Uint32(raw[n:]) {", to: "if n < 0 {",
		pkg: "node/store", test: "BitFlips|FlippedBit",
	},
	{
		name: "signs-smaller", takes: "that a member never signs a smaller size, or two roots for one",
		file: "node/store/store.go", from: "case size <= last.Size && last.Root != \"\":", to: "case size < last.Size && last.Root == \"\":",
		pkg: "node/store", test: "SigningNeverGoesBack",
	},
	{
		name: "signs-before-it-persists", takes: "that what is signed is on the disk before the signature leaves",
		file: "node/store/store.go", from: "\tif err == nil {\n\t\terr = durable.WriteFile(filepath.Join(s.dir, signedFile), b, 0o600)\n\t}\n", to: "\t_ = b\n",
		pkg: "node/store", test: "SigningNeverGoesBack",
	},
	{
		name: "stored-tree-believed", takes: "that leaves are hashed again from the disk before a checkpoint is signed",
		file: "node/cosign/cosign.go", from: "\tif tree.Root() != stored {", to: "\tif tree == nil {",
		pkg: "node/cosign", test: "OnlyItsOwn",
	},
	{
		name: "signs-another-state", takes: "that a member signs only its own state line",
		file: "node/cosign/cosign.go", from: "if !ok || want != cp.State {", to: "if !ok || want == (tlog.Hash{}) {",
		pkg: "node/cosign", test: "OnlyItsOwn",
	},
	{
		name: "segments-keep-the-expunged", takes: "that an expunged payload is overwritten",
		file: "node/store/commit.go", from: "if err == nil && o.purge > 0 && !skipPurge {", to: "if err == nil && o.purge > 1<<60 && !skipPurge {",
		pkg: "node/store", test: "Expunged|Purge",
	},
	{
		name: "repeat-answered-anew", takes: "that another entry of a taken sequence is a conflict",
		file: "node/cluster/fsm.go", from: "if err != nil || !ok || have != leaf {", to: "if err != nil || !ok && have == leaf {",
		pkg: "node/cluster", test: "Conflict",
	},
	{
		name: "any-gateway", takes: "that only partners' gateways are spoken to",
		file: "node/peer/peer.go", from: "&gater{allowed: func(id peer.ID) bool { _, ok := p.partnerOf(id); return ok }}", to: "&gater{allowed: func(id peer.ID) bool { return id != \"\" }}",
		more: []change{{"node/peer/serve.go", "partner, ok := p.partnerOf(s.Conn().RemotePeer())\n", "partner, ok := p.partnerOf(s.Conn().RemotePeer())\n\tok = true\n"}},
		pkg:  "node/peer", test: "Stranger",
	},
	{
		name: "silent-gateway", takes: "that a gateway that sends nothing is left",
		file: "node/peer/receive.go", from: "if others && quiet.Before(deadline) {", to: "if others && quiet.IsZero() {",
		more: []change{{"node/peer/withheld.go", "if len(others) == 0 || ctx.Err()", "if len(others) >= 0 || ctx.Err()"}},
		pkg:  "node/peer", test: "SilentGateway",
	},
	{
		name: "dead-connection", takes: "that a connection that says nothing is given up",
		file: "node/peer/receive.go", from: "_ = s.Conn().Close() // else", to: "// else",
		pkg: "node/peer", test: "DeadConnection",
	},
	{
		name: "frames-as-promised", takes: "that a kind of frame has its own bound",
		file: "node/peer/frame.go", from: "\t\treturn ledger.MaxCheckpointBytes\n\tcase frameRefusal:\n\t\treturn maxWordsBytes\n\tcase frameAlive:\n\t\treturn 0\n\t}\n\treturn -1", to: "\t}\n\treturn maxFrameBytes",
		pkg: "node/peer", test: "LyingPartnersFrames",
	},
	{
		name: "trickled-frames", takes: "that a frame must keep coming",
		file: "node/peer/frame.go", from: "time.Duration(p.read)*time.Second/leastSpeed", to: "time.Duration(p.read)*time.Second",
		pkg: "node/peer", test: "LyingPartnersFrames",
	},
	{
		name: "idle-without-end", takes: "that a gateway is left which sends without end what is nothing new",
		file: "node/peer/receive.go", from: "if !fresh && !idle.AllowN(time.Now(), costs) {", to: "if !fresh && !idle.AllowN(time.Now(), 0) {",
		pkg: "node/peer", test: "LyingPartnersFrames",
	},
	{
		name: "many-guests", takes: "that only so many streams of a partner's gateway are served",
		file: "node/peer/guests.go", from: "if len(g.streams) >= maxServed {", to: "if len(g.streams) >= 1<<20 {",
		pkg: "node/peer", test: "FloodOfAPartner",
	},
	{
		name: "withheld-unnoticed", takes: "that a gateway is left whose partner's others have more",
		file: "node/peer/withheld.go", from: "\treturn held\n", to: "\treturn held && false\n",
		pkg: "node/peer", test: "RoutedRound",
	},
	{
		name: "requests-unmetered", takes: "that what a member sends to raft is counted before it is decoded",
		file: "node/cluster/meter.go", from: "if err := c.meter.take(b); err != nil {", to: "if err := (&meter{}).take(nil); err != nil {",
		pkg: "node/cluster", test: "LyingMembersBytes",
	},
	{
		name: "values-unmetered", takes: "that a request to raft has only so many values",
		file: "node/cluster/meter.go", from: "if m.values+m.due > maxRPCValues || ", to: "if ",
		pkg: "node/cluster", test: "Meter",
	},
	{
		name: "many-at-once", takes: "that only so many requests of a member are answered at once",
		file: "node/cluster/http.go", from: "if a.now[id] >= requestsAtOnce ||", to: "if a.now[id] >= 1<<20 ||",
		pkg: "node/cluster", test: "FloodOfRequests",
	},
	{
		name: "pretence-forgotten", takes: "that what an earlier process was told is looked after by the next",
		file: "node/author/confirm.go", from: "for _, r := range a.earlier {", to: "for _, r := range a.earlier[:0] {",
		pkg: "node/author", test: "EarlierProcess",
	},
	{
		name: "acknowledged-not-confirmed", takes: "that the author's replica must show what the leader acknowledged",
		file: "node/author/confirm.go", from: "if err != nil || !ok || index != c.receipt.Index || leaf != c.receipt.Leaf {", to: "if _ = leaf; err != nil || !ok && index == 1<<60 {",
		pkg: "node/author", test: "Confirmed",
	},
	{
		name: "fork-ahead-forgotten", takes: "that a checkpoint of too few signers is compared once its size is here",
		file: "node/cosign/collect.go", from: "if c.cfg.Ahead != nil && cp.Size > state.Size() {", to: "if c.cfg.Ahead != nil && cp.Size > 1<<60 {",
		pkg: "node", test: "LiarsWhoFork",
	},
	{
		name: "fork-grown-not-proved", takes: "that a fork is proved by what its signer signed later, too",
		file: "node/forks.go", from: "\t\tif size == cp.Size {\n", to: "\t\tif size != cp.Size {\n\t\t\tcontinue\n\t\t}\n\t\tif size == cp.Size {\n",
		pkg: "node", test: "LiarsWhoFork",
	},
	{
		name: "read-before-it-is-recorded", takes: "that a record of a read is durable before the read is answered",
		file: "node/accesslog/append.go", from: "\tif err := l.disk.add(name, offset, frames); err != nil {\n\t\treturn 0, l.fail(err)\n\t}\n", to: "\tl.now.Store(&v)\n\tgo func() { _ = l.disk.add(name, offset, frames) }()\n",
		pkg: "node/accesslog", test: ".",
	},
	{
		name: "unrecorded-read", takes: "that nothing is read that is not in the access log",
		file: "node/api/reads.go", from: "\tcase err != nil:\n\t\ts.cfg.Log.Error(\"the access log", to: "\tcase err != nil && s == nil:\n\t\ts.cfg.Log.Error(\"the access log",
		pkg: "node", test: "NothingIsReadUnrecorded",
	},
	{
		name: "outvoted", takes: "that a node stops once enough members have signed another history than its own",
		file: "node/forks.go", from: "ok && cp.Origin == x.n.id.Origin && x.differs(cp) {", to: "ok && cp.Origin == x.n.id.Origin && cp.Size == 0 {",
		pkg: "node", test: "AnotherTail",
	},
	{
		name: "order-of-arrival", takes: "that the events of an object are folded in one order everywhere",
		file: "ledger/noun/placed.go", from: "\tslices.SortStableFunc(sorted, func(a, b Placed[F]) int { return Compare(home, &a, &b) })\n", to: "",
		pkg: "ledger/noun", test: ".",
	},
	{
		name: "first-use-of-an-id", takes: "that an event id counts once",
		file: "ledger/noun/placed.go", from: "\t\tif seen[id] {", to: "\t\tif seen[id] && i < 0 {",
		pkg: "ledger/noun", test: "Canonical",
	},
	{
		name: "undone-without-reason", takes: "that what cannot be taken back needs a reason at the console",
		file: "node/console/settings.go", from: "\tif reason == \"\" {", to: "\tif reason == \"-\" {",
		pkg: "node/console", test: "ActionsAskTheAPI",
	},
	{
		name: "figures-of-what-is-gone", takes: "that an alert which is gone is not counted any more",
		file: "node/board/tallies.go", from: "CREATE TRIGGER tally_gone AFTER DELETE ON alerts BEGIN", to: "CREATE TRIGGER tally_gone AFTER DELETE ON alerts WHEN false BEGIN",
		pkg: "node/board", test: "WhatIsExpungedIsOffTheBoard",
	},
	{
		name: "figures-of-how-it-stood", takes: "that figures follow how an alert stands",
		file: "node/board/tallies.go", from: "ON alerts WHEN OLD.standing <> NEW.standing BEGIN", to: "ON alerts WHEN false BEGIN",
		pkg: "node/board", test: "FiguresAddUp",
	},
	{
		name: "look-up-that-forgot", takes: "that a scrub compares the look-up with the alerts",
		file: "node/board/scrub.go", from: "(SELECT count(*) FROM signals) <> (SELECT", to: "(SELECT count(*) FROM signals) < (SELECT 0 *",
		pkg: "node/board", test: "TheScrubCompares",
	},
	{
		name: "plaintext-board", takes: "the encryption of the board",
		file: "node/board/database.go", from: "?vfs=\" + b.vfs + \"&textkey=board&", to: "?",
		pkg: "node/board", test: "NothingInClear",
	},
}
