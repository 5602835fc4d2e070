// Keeps what changes by itself fresh. Without it the page has a link to refresh.
const shown = {};
setInterval(async () => {
  if (document.hidden) return;
  const res = await fetch("/live").catch(() => null);
  if (!res?.ok) return;
  for (const [id, html] of Object.entries(await res.json())) {
    const at = document.getElementById(id);
    // What somebody is in is left alone until they have gone on.
    if (!at || shown[id] === html || at.contains(document.activeElement)) continue;
    if (shown[id] !== undefined || at.innerHTML !== html) at.innerHTML = html;
    shown[id] = html;
  }
}, 1000);
