// What pages can do without: look for news, count down, copy, show a password, send once.
const doc = document, root = doc.documentElement, say = doc.getElementById("say");
const main = () => doc.querySelector("main");
let timer, seen = "", fails = 0, sent = false, due = new Map();
root.classList.add("js");

const tell = text => { if (text && say) say.textContent = text; };
const clock = s => Math.floor(s / 60) + ":" + String(s % 60).padStart(2, "0");

// arm reads what the page in view asks of us.
function arm() {
  const m = main(), d = m.dataset;
  due = new Map();
  for (const el of doc.querySelectorAll("[data-left]")) due.set(el, performance.now() + 1000 * el.dataset.left);
  count();
  clearTimeout(timer);
  if (d.go) timer = setTimeout(() => location.replace(d.go), d.wait || 0);
  else if (d.poll) timer = setTimeout(look, Math.min(d.poll * 2 ** fails, 15000));
}

function count() {
  for (const [el, at] of due) {
    const left = Math.max(0, Math.ceil((at - performance.now()) / 1000)), b = el.closest("button");
    el.textContent = left ? el.dataset.text.replace("{time}", clock(left)) : "";
    if (b) b.disabled = left > 0;
    if (!left) {
      due.delete(el);
      if (!b) look();
    }
  }
}
setInterval(count, 1000);

// look asks whether the flow has moved, and shows it if so.
async function look() {
  clearTimeout(timer);
  if (doc.hidden || sent) return;
  const m = main();
  try {
    const r = await fetch(m.dataset.flow, {headers: {accept: "application/json"}, cache: "no-store"}), text = await r.text();
    if (!r.ok) throw r;
    if (text !== seen) await show();
    seen = text;
    fails = 0;
  } catch {
    if (++fails === 3) tell(m.dataset.lost);
    if (fails > 8) return location.reload();
  }
  arm();
}

const alike = (a, b) => a.nodeName === b.nodeName &&
  (a.nodeType !== 1 || ["id", "name", a.type === "submit" ? "value" : ""].every(k => a.getAttribute(k) === b.getAttribute(k)));

// patch makes o what n is and keeps nodes in both: a button being pressed, a field typed into.
function patch(o, n) {
  if (o.isEqualNode(n)) return;
  if (o.nodeType !== 1 || o.nodeName === "svg") return o.replaceWith(n);
  const typed = o.nodeName === "INPUT" && o.id && !o.readOnly;
  for (const {name} of [...o.attributes]) if (!n.hasAttribute(name) && name !== "open") o.removeAttribute(name);
  for (const {name, value} of n.attributes) if (!typed || name !== "value") o.setAttribute(name, value);
  let at = o.firstChild;
  const all = [...n.childNodes];
  for (const [i, want] of all.entries()) {
    const later = x => x.nodeType === 1 && all.slice(i + 1).some(w => alike(x, w));
    let have = at;
    while (have && !alike(have, want)) have = want.nodeType !== 1 || later(have) ? null : have.nextSibling;
    if (have) {
      while (at !== have) at = drop(at);
      at = have.nextSibling;
      patch(have, want);
    } else o.insertBefore(want, at);
  }
  while (at) at = drop(at);
}

const drop = gone => {
  const next = gone.nextSibling;
  gone.remove();
  return next;
};

async function show() {
  const r = await fetch(location.href, {cache: "no-store"});
  if (!r.ok) return location.reload();
  const next = new DOMParser().parseFromString(await r.text(), "text/html"), n = next.querySelector("main"), o = main();
  if (sent || !n || n.innerHTML === o.innerHTML) return;
  const same = n.dataset.step === o.dataset.step;
  for (const el of n.querySelectorAll("[autofocus]")) el.removeAttribute("autofocus");
  doc.title = next.title;
  if (same) {
    patch(o, n);
    const now = o.querySelector(".now");
    if (now) tell(now.textContent);
  } else {
    o.replaceWith(n);
    scrollTo(0, 0);
    (n.querySelector("[aria-invalid=true]") || n.querySelector("h1")).focus();
  }
}

doc.addEventListener("click", async e => {
  const b = e.target.closest("[data-show],[data-copy]");
  if (!b) return;
  const el = doc.getElementById(b.dataset.show || b.dataset.copy);
  if (b.dataset.show) {
    const on = el.type === "password";
    el.type = on ? "text" : "password";
    b.setAttribute("aria-pressed", on);
    b.textContent = on ? b.dataset.hide : b.dataset.word;
    return;
  }
  try {
    await navigator.clipboard.writeText(el.value || el.textContent);
  } catch {
    getSelection().selectAllChildren(el);
    if (el.select) el.select();
    doc.execCommand("copy");
  }
  tell(b.textContent = b.dataset.done);
});

doc.addEventListener("submit", e => {
  if (e.submitter?.formTarget) return; // into a frame
  if (sent) return e.preventDefault();
  sent = true;
  clearTimeout(timer);
  for (const b of doc.querySelectorAll("[data-show]")) doc.getElementById(b.dataset.show).type = "password";
  const b = e.submitter;
  if (b) b.setAttribute("aria-busy", "true");
  tell(main().dataset.busy);
  setTimeout(ready, 20000);
});

function ready() {
  sent = false;
  for (const b of doc.querySelectorAll("[aria-busy]")) b.removeAttribute("aria-busy");
  arm();
}
addEventListener("pageshow", e => { ready(); if (e.persisted) show().then(arm); });
doc.addEventListener("visibilitychange", () => { if (!doc.hidden && main().dataset.poll) look(); });
