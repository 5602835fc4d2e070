// Asks the browser for a passkey: to make one, or to sign in with one.
for (const box of document.querySelectorAll("[data-passkey]")) {
  const d = box.dataset, err = box.querySelector(".err"), button = box.querySelector("button");
  const fail = text => { err.textContent = text; err.hidden = false; button.removeAttribute("aria-busy"); };
  const can = globalThis.PublicKeyCredential && PublicKeyCredential.parseRequestOptionsFromJSON;
  if (!can) { button.hidden = true; fail(d.missing); continue; }
  const post = async (url, body) => {
    const r = await fetch(url, {method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify(body)});
    const out = await r.json();
    if (!r.ok) throw new Error(out.detail);
    return out;
  };
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-busy")) return;
    err.hidden = true;
    button.setAttribute("aria-busy", "true");
    try {
      const {token, options} = await post(d.begin, {});
      const credential = d.passkey === "register" ?
        await navigator.credentials.create({publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options.publicKey)}) :
        await navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options.publicKey)});
      const name = box.querySelector("[name=name]");
      const {to} = await post(d.finish, {token, name: name ? name.value : "", credential: credential.toJSON(), next: new URLSearchParams(location.search).get("next") || ""});
      location.assign(to);
    } catch (e) {
      fail(e instanceof DOMException ? d.failed : e.message);
    }
  });
}
