// The look-up page: files that are dropped are hashed by a worker of this page. Their bytes and names stay in this browser;
// their hashes go into the form, and with it to this agency's own node.
import { page, morph, script } from '{{app.js}}';
const $ = s => document.querySelector(s);
const form = $('#lookup'), zone = $('#drop'), pick = $('#files'), list = $('#hashed'), text = $('#hashes');
const files = []; // of lines that came from files: name and line
let worker, left = 0;

function add(all) {
  worker ??= Object.assign(new Worker(script(zone.dataset.worker), { type: 'module' }), { onmessage: heard });
  for (const file of all) {
    const n = files.length, row = document.createElement('li');
    files.push({ name: file.name, row });
    row.append(Object.assign(document.createElement('b'), { textContent: file.name }), ' ', Object.assign(document.createElement('progress'), { max: Math.max(1, file.size), value: 0 }), ' ', document.createElement('code'));
    row.querySelector('progress').setAttribute('aria-label', file.name);
    list.append(row);
    left++;
    worker.postMessage({ file, n });
  }
}
function heard({ data }) {
  const it = files[data.n];
  if (data.done !== undefined) { it.row.querySelector('progress').value = data.done; return; }
  it.row.querySelector('progress').remove();
  left--;
  if (data.failed) it.row.querySelector('code').textContent = zone.dataset.failed;
  else {
    it.line = data.line;
    it.row.querySelector('code').textContent = data.line;
    text.value = text.value.trimEnd() + (text.value.trim() ? '\n' : '') + data.line;
  }
  if (!left) ask();
}
async function ask() {
  const results = $('#results');
  results.setAttribute('aria-busy', 'true');
  const { fresh } = await page('/look-up', { method: 'POST', body: new URLSearchParams(new FormData(form)) });
  const next = fresh.getElementById('results') ?? fresh.querySelector('main');
  next.id = 'results';
  for (const cell of next.querySelectorAll('[data-line]')) {
    const it = files.find(x => x.line === cell.dataset.line);
    if (it) cell.textContent = it.name;
  }
  morph(results, next);
}
form.addEventListener('submit', e => { e.preventDefault(); ask().finally(() => e.submitter?.removeAttribute('aria-busy')); });
zone.addEventListener('dragover', e => { e.preventDefault(); zone.classList.add('over'); });
zone.addEventListener('dragleave', () => zone.classList.remove('over'));
zone.addEventListener('drop', e => { e.preventDefault(); zone.classList.remove('over'); add(e.dataTransfer.files); });
pick.addEventListener('change', () => { add(pick.files); pick.value = ''; });
