// Shows colours and their contrasts while they are typed (WCAG 2.2, "contrast ratio").
const fields = new Map([...document.querySelectorAll("[data-paint]")].map(el => [el.dataset.paint, el]));
const pages = {accent: ["#ffffff", "#f4f5f8"], accent_dark: ["#17191e", "#0e1014"]};

function parse(s) {
  s = s.trim().toLowerCase();
  if (/^#[0-9a-f]{3}$/.test(s)) s = "#" + [...s.slice(1)].map(c => c + c).join("");
  return /^#[0-9a-f]{6}$/.test(s) ? s : "";
}

function luminance(c) {
  const [r, g, b] = [1, 3, 5].map(i => parseInt(c.slice(i, i + 2), 16) / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a, b) {
  const x = luminance(a), y = luminance(b);
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

function show() {
  for (const [name, el] of fields) {
    const color = parse(el.value), out = document.querySelector(`[data-ratio=${name}]`), box = el.parentElement;
    const on = pages[name] || [parse(fields.get(name.replace(/_text$/, "")).value)];
    if (color) {
      box.querySelector("rect").setAttribute("fill", color);
      box.querySelector("[data-pick]").value = color;
    }
    out.className = "ratio";
    out.textContent = "";
    if (!color || on.includes("")) continue;
    const ratio = Math.min(...on.map(c => contrast(color, c))), needs = Number(el.dataset.needs);
    out.classList.add(ratio >= needs ? "good" : "bad");
    out.textContent = out.dataset.word.replace("[ratio]", (Math.floor(ratio * 10) / 10).toFixed(1) + ":1").replace("[needs]", needs + ":1");
  }
}

document.addEventListener("input", e => {
  const pick = e.target.dataset.pick;
  if (pick) document.getElementById(pick).value = e.target.value;
  if (pick || e.target.dataset.paint) show();
});
