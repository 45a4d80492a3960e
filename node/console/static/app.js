// What every page does beyond markup: times in the reader's zone, what changed on screen, keys. Every form and link works
// without it. No markup is made from text but here, of pages that this node made: the policy is named in the CSP.
const policy = trustedTypes?.createPolicy('vigil', { createHTML: s => s, createScriptURL: s => {
  if (new URL(s, location).origin !== location.origin) throw new TypeError('not of this node');
  return s;
} }) ?? { createHTML: s => s, createScriptURL: s => s };

const $ = (s, in_ = document) => in_.querySelector(s);
const $$ = (s, in_ = document) => [...in_.querySelectorAll(s)];
const body = document.body;
const words = body.dataset;

// --- times

const two = n => String(n).padStart(2, '0');
function local(at) {
  const off = -at.getTimezoneOffset(), a = Math.abs(off);
  return `${two(at.getDate())}-${two(at.getMonth() + 1)}-${at.getFullYear()} ${two(at.getHours())}:${two(at.getMinutes())}` +
    (off === 0 ? ' UTC' : ` +${two(a / 60 | 0)}:${two(a % 60)}`.replace('+', off < 0 ? '−' : '+'));
}
function times(in_) {
  for (const t of $$('time[datetime]', in_)) {
    const at = new Date(t.getAttribute('datetime'));
    if (isNaN(at) || t.dataset.local) continue;
    t.title = at.toISOString().replace('T', ' ').replace('.000Z', ' UTC');
    t.textContent = local(at);
    t.dataset.local = '1';
  }
}

// On a phone a table's rows become blocks: each cell says by itself of which column it is.
function labels(in_) {
  for (const t of $$('.scroll table', in_)) {
    if ($('[data-row]', t)) continue;
    const heads = $$('thead th', t).map(h => h.textContent.trim());
    for (const r of $$('tbody tr', t)) [...r.cells].forEach((c, i) => { if (i && heads[i] && c.textContent.trim() && !$('details', c)) c.dataset.label = heads[i]; });
  }
}

// --- asking the node for a page

export async function page(url, init = {}) {
  const answer = await fetch(url, { ...init, headers: { ...init.headers, 'Vigil-Live': '1' }, credentials: 'same-origin' });
  const text = await answer.text();
  const fresh = new DOMParser().parseFromString(policy.createHTML(text), 'text/html');
  times(fresh);
  labels(fresh);
  return { answer, fresh };
}

// morph makes one element what it is in a fresh page. Focus, scroll, what is ticked, typed or unfolded stay.
export function morph(old, fresh) {
  for (const box of $$('input[type=checkbox]:checked', old)) {
    const same = box.id && fresh.querySelector('#' + CSS.escape(box.id));
    if (same) { same.checked = true; same.setAttribute('checked', ''); }
  }
  for (const d of $$('details[open]', old)) {
    const same = d.id && fresh.querySelector('#' + CSS.escape(d.id));
    if (same) same.setAttribute('open', '');
  }
  const known = new Set($$('[data-row]', old).map(e => e.id));
  Idiomorph.morph(old, fresh, { morphStyle: 'outerHTML', ignoreActiveValue: true, callbacks: {
    beforeNodeMorphed: n => !(n.dataset && 'keep' in n.dataset),
  } });
  const here = document.getElementById(old.id);
  if (here && known.size) for (const e of $$('[data-row]', here)) e.classList.toggle('fresh', !known.has(e.id));
  return here;
}

// --- what changed

const live = { seq: words.seq, at: Date.now(), lost: false, paused: false, due: 0, busy: false, news: 0 };
const kinds = (words.live || '').split(' ').filter(Boolean);

function tell(state) {
  const sign = $('#live');
  if (!sign) return;
  sign.dataset.state = state;
  $('#live-word').textContent = words[state] || '';
}
function age() {
  const note = $('#lost');
  if (!note) return;
  note.hidden = !live.lost;
  if (!live.lost) return;
  const s = Math.round((Date.now() - live.at) / 1000), box = $('#lost-age');
  const [n, unit] = s < 60 ? [s, 'second'] : s < 3600 ? [s / 60 | 0, 'minute'] : [s / 3600 | 0, 'hour'];
  box.textContent = new Intl.RelativeTimeFormat(document.documentElement.lang).format(-n, unit);
  box.dataset.seconds = s;
}
function lose() { if (!live.lost) { live.lost = true; tell('stateLost'); age(); } }
function regain() {
  live.at = Date.now();
  if (live.lost) { live.lost = false; age(); }
  tell(live.paused ? 'statePaused' : 'stateLive');
}

let said = 0;
function announce() {
  const now = Date.now();
  if (now - said < 5000) return;
  said = now;
  const log = $('#announce');
  if (log) log.textContent = words.changed;
}

// making is what an id has before its number: a board that was built anew numbers anew.
const making = id => (id || '').split('-')[0];

export async function refresh() {
  if (live.busy) { live.due = 1; return; }
  live.busy = true;
  live.due = 0;
  try {
    const { answer, fresh } = await page(location.href);
    if (answer.redirected && new URL(answer.url).pathname === '/sign-in') { location.reload(); return; }
    if (answer.ok) {
      for (const old of $$('[data-live]')) {
        const next = fresh.getElementById(old.id);
        if (next) morph(old, next);
      }
      regain();
      announce();
      if (making(live.seq) !== making(fresh.body.dataset.seq)) live.seq = fresh.body.dataset.seq;
    }
  } catch { lose(); }
  live.busy = false;
  if (live.due) setTimeout(refresh, 250);
}
let waiting = 0;
function changed() {
  if (live.paused) { live.news++; tell('statePaused'); return; }
  if (waiting) return;
  waiting = setTimeout(() => { waiting = 0; refresh(); }, 30);
}

// follow reads the event stream; a broken one goes on after the last change that was read, so that none is missed.
async function follow() {
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    const stop = new AbortController();
    let quiet = setTimeout(() => stop.abort(), 40000);
    try {
      const answer = await fetch('/v1/events' + (words.exercise === 'on' ? '?exercise=true' : ''), { headers: { 'Last-Event-ID': live.seq || '0', Accept: 'text/event-stream' }, signal: stop.signal });
      if (answer.status === 401) { location.reload(); return; }
      if (answer.status === 409) { live.seq = ''; await refresh(); continue; }
      if (answer.status === 400) { $('#live').hidden = true; return; } // the page asks why it is read; it is made anew with the answer
      if (!answer.ok) throw new Error(answer.status);
      const resumed = live.lost;
      regain();
      if (resumed) changed();
      wait = 500;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ''; ;) {
        const { value, done } = await reader.read();
        if (done) break;
        clearTimeout(quiet);
        quiet = setTimeout(() => stop.abort(), 40000);
        live.at = Date.now();
        const lines = (rest + value).split('\n');
        rest = lines.pop();
        for (const l of lines) {
          if (l.startsWith('id: ')) live.seq = l.slice(4);
          if (l.startsWith('event: ') && kinds.some(k => l.slice(7).startsWith(k))) changed();
        }
      }
    } catch { /* said below */ }
    clearTimeout(quiet);
    lose();
    await new Promise(r => setTimeout(r, wait));
  }
}

// A node without a leader has no changes to tell of: what is on screen grows old, and the page says since when.
let led = true;
async function leads() {
  if (live.lost || live.paused) return;
  try {
    const answer = await fetch('/v1/status');
    if (!answer.ok) return;
    const before = led;
    led = Boolean((await answer.json()).leader);
    if (!led || !before) refresh();
  } catch { /* the stream notices */ }
}

function pause() {
  live.paused = !live.paused;
  if (!live.paused && live.news) { live.news = 0; refresh(); }
  tell(live.paused ? 'statePaused' : live.lost ? 'stateLost' : 'stateLive');
  $('#pause')?.setAttribute('aria-pressed', String(live.paused));
}

// --- keys

const keysOff = () => localStorage.getItem('keys') === 'off';
let after = '';
function rows() { return $$('[data-row]'); }
function move(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex(r => r.contains(document.activeElement));
  const to = all[Math.max(0, Math.min(all.length - 1, at + by))];
  $('a', to)?.focus();
}
document.addEventListener('keydown', e => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
  const typing = e.target.matches?.('input:not([type=checkbox]):not([type=radio]),textarea,select,[contenteditable]');
  if (typing || $('dialog[open]') || (keysOff() && e.key !== '?')) return;
  if (after === 'g') {
    after = '';
    const to = $(`nav a[data-key="${CSS.escape(e.key)}"]`);
    if (to) { e.preventDefault(); to.click(); }
    return;
  }
  const row = rows().find(r => r.contains(document.activeElement));
  const act = {
    '?': () => $('#keys').showModal(), j: () => move(1), k: () => move(-1), p: pause,
    '/': () => $('#search')?.focus(), g: () => { after = 'g'; setTimeout(() => { after = ''; }, 1500); },
    x: () => $('input[type=checkbox]', row ?? document.createElement('i'))?.click(),
    b: () => $('#bulk:not([data-ticked="0"]) select')?.focus(),
    a: () => { const d = $('.actions details:not([open])') ?? $('.actions details'); if (d) { d.open = true; $('summary', d).focus(); } else $('#move select')?.focus(); },
    v: () => $('#proof button')?.click(),
    u: () => $('a[rel=up]')?.click(), n: () => $('a[data-new]')?.click(),
  }[e.key];
  if (act) { e.preventDefault(); act(); }
});

// --- small things

// What an address or a link on the page names is unfolded, and its first field has the focus.
function unfold(hash = location.hash) {
  const d = /^#[a-z][\w-]*$/.test(hash) && $('details' + hash);
  if (!d) return;
  d.open = true;
  $('input:not([type=hidden]),select,textarea', d)?.focus();
}
addEventListener('hashchange', () => unfold());

document.addEventListener('click', e => {
  const b = e.target.closest('button,a');
  if (b?.id === 'keys-open') $('#keys').showModal();
  if (b?.id === 'pause') pause();
  if (b?.hash && b.pathname === location.pathname) unfold(b.hash);
  if (b?.dataset.close !== undefined) b.closest('dialog').close();
  if (b?.dataset.copy !== undefined) {
    navigator.clipboard?.writeText(b.dataset.copy).then(() => { b.dataset.copied = ''; setTimeout(() => delete b.dataset.copied, 1500); });
  }
});
document.addEventListener('change', e => {
  if (e.target.id === 'keys-on') localStorage.setItem('keys', e.target.checked ? 'on' : 'off');
  if (e.target.matches('[data-all]')) for (const b of $$('[data-row] input[type=checkbox]')) b.checked = e.target.checked;
  if (e.target.matches('input[type=checkbox]')) ticked();
  if (e.target.matches('select[data-go]')) e.target.form.requestSubmit();
});
function ticked() {
  const bar = $('#bulk');
  if (!bar) return;
  const n = $$('[data-row] input[type=checkbox]:checked').length;
  bar.dataset.ticked = n;
  $('#bulk-count').textContent = n;
}
// A code in the address's fragment, which no server sees, goes into the form and out of the address.
const code = $('input[data-from-fragment]');
if (code && location.hash.length > 1) {
  code.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, '', location.pathname + location.search);
}
// What is sent twice by a second click is written once; the button says that it is on its way.
document.addEventListener('submit', e => { e.submitter?.setAttribute('aria-busy', 'true'); });

times(document);
labels(document);
unfold();
// Where the navigation is a strip, the page's own name is in sight; later, since asking where it stands lays out the page.
const current = $('nav.side a[aria-current]');
if (current && matchMedia('(max-width: 52rem)').matches) requestAnimationFrame(() => { current.closest('nav').scrollLeft = current.offsetLeft - 24; });
ticked();
const on = $('#keys-on');
if (on) on.checked = !keysOff();
setInterval(age, 1000);
if (kinds.length) {
  if (Number(words.poll)) setInterval(() => { if (!live.paused) refresh(); }, words.poll * 1000);
  else { follow(); setInterval(leads, words.look * 1000); }
}
export const script = name => policy.createScriptURL(name);
