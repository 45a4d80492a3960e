// Checks the proof of an entry here, in the reader's browser: the path from the entry's leaf to the root of the checkpoint
// (RFC 6962), and who cosigned that checkpoint (C2SP tlog-cosignature, Ed25519) under the keys of the roster.
const $ = (s, in_ = document) => in_.querySelector(s);
const bytes = s => Uint8Array.from(atob(s), c => c.charCodeAt(0));
const same = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);
const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest('SHA-256', await new Blob(parts).arrayBuffer()));
const node = (l, r) => sha256(Uint8Array.of(1), l, r);

// rootOf computes the root of a tree of size from one leaf and its path; null where the path does not fit (RFC 9162, 2.1.3.2).
export async function rootOf(index, size, leaf, path) {
  if (index >= size) return null;
  let fn = BigInt(index), sn = BigInt(size) - 1n, r = leaf;
  for (const p of path) {
    if (sn === 0n) return null;
    if (fn & 1n || fn === sn) {
      r = await node(p, r);
      while (!(fn & 1n) && fn !== 0n) { fn >>= 1n; sn >>= 1n; }
    } else r = await node(r, p);
    fn >>= 1n; sn >>= 1n;
  }
  return sn === 0n ? r : null;
}

export async function cosigners(note, members) {
  const cut = note.indexOf('\n\n'), text = note.slice(0, cut + 1), out = [];
  for (const line of note.slice(cut + 2).split('\n')) {
    const [dash, name, signature] = line.split(' ');
    if (dash !== '—' || !members[name]) continue;
    const b = bytes(signature), key = bytes(members[name]);
    const id = await sha256(new TextEncoder().encode(name + '\n'), Uint8Array.of(4), key);
    if (b.length !== 76 || !same(b.subarray(0, 4), id.subarray(0, 4))) continue;
    const at = new DataView(b.buffer).getBigUint64(4);
    const k = await crypto.subtle.importKey('raw', key, { name: 'Ed25519' }, false, ['verify']);
    if (await crypto.subtle.verify({ name: 'Ed25519' }, k, b.subarray(12), new TextEncoder().encode(`cosignature/v1\ntime ${at}\n${text}`))) out.push({ name, at: Number(at) });
  }
  return out;
}

export async function check(origin, index) {
  const get = async p => { const a = await fetch(p); if (!a.ok) throw new Error((await a.json()).detail || a.status); return a.json(); };
  const [proof, trust] = await Promise.all([get(`/v1/ledger/proofs/${index}?origin=${encodeURIComponent(origin)}`), get('/v1/ledger/trust')]);
  const ledger = trust.ledgers.find(l => l.origin === origin);
  const [said, size, root] = proof.checkpoint.split('\n');
  const computed = await rootOf(proof.index, proof.size, bytes(proof.leaf), proof.path.map(bytes));
  const signed = ledger ? await cosigners(proof.checkpoint, ledger.members) : [];
  const agencies = [...new Set(signed.map(s => s.name))];
  return {
    ledger: said === origin && proof.index === index && Number(size) === proof.size, path: !!computed && same(computed, bytes(root)),
    quorum: !!ledger && agencies.length >= ledger.quorum, agencies, needed: ledger?.quorum ?? 0, size: proof.size, root,
  };
}

const box = $('#proof');
if (box) $('button', box).addEventListener('click', async e => {
  const button = e.currentTarget, out = $('#proof-result');
  button.setAttribute('aria-busy', 'true');
  let verdict = 'failed', r;
  try {
    r = await check(box.dataset.ledger, Number(box.dataset.index));
    verdict = r.ledger && r.path && r.quorum ? 'good' : 'bad';
    for (const name of ['ledger', 'path', 'quorum']) $(`[data-step=${name}]`, box).dataset.state = r[name] ? 'good' : 'bad';
    $('#proof-signers').textContent = r.agencies.join(', ');
    $('#proof-needed').textContent = r.needed;
    $('#proof-size').textContent = r.size;
    $('#proof-root').textContent = r.root;
    $('#proof-details').hidden = false;
  } catch (err) { $('#proof-why').textContent = err.message; }
  out.dataset.state = verdict;
  for (const p of out.querySelectorAll('[data-verdict]')) p.hidden = p.dataset.verdict !== verdict;
  out.hidden = false;
  button.removeAttribute('aria-busy');
});
