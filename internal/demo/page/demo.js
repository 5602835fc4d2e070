// Keeps the list of received notifications fresh. Without it the page has a link to refresh.
const list = document.getElementById("received");
setInterval(async () => {
  if (document.hidden) return;
  const res = await fetch("/received");
  const text = await res.text();
  if (text !== list.dataset.last) {
    list.innerHTML = text;
    list.dataset.last = text;
  }
}, 1000);
