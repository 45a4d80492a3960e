// Passkeys: signing in by one, and enrolling one.
const $ = s => document.querySelector(s);
const problem = $('#passkey-problem');
async function ask(path, body) {
  const answer = await fetch(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.detail || said.title);
  return said;
}
function when(button, does) {
  if (!button) return;
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) { button.closest('[data-passkey]').hidden = true; return; }
  button.disabled = false;
  button.addEventListener('click', async () => {
    problem.hidden = true;
    try { await does(); } catch (e) {
      problem.textContent = problem.dataset.text + (e.name === 'NotAllowedError' ? '' : ' ' + e.message);
      problem.hidden = false;
    }
  });
}
const next = () => location.assign($('main input[name=next]')?.value || '/');
when($('#passkey-in'), async () => {
  const begun = await ask('/v1/session/passkey', {});
  const key = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(begun.options.publicKey) });
  await ask('/v1/session/passkey/answer', { ceremony: begun.ceremony, answer: key.toJSON(), cookie: true });
  next();
});
when($('#passkey-new'), async () => {
  const begun = await ask('/v1/enrolment/passkey', { code: $('input[name=code]').value });
  const key = await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(begun.options.publicKey) });
  await ask('/v1/enrolment/passkey/answer', { ceremony: begun.ceremony, label: $('#passkey-label').value, answer: key.toJSON() });
  location.assign('/sign-in?made=passkey');
});
