// An application in another language: it discovers the provider, sends a browser there, takes it back,
// and trusts the id token only after openid-client has verified it. It knows nothing of Latchkey.
//
//   node login.mjs <issuer> <client id> <client secret or ""> <port>
//
// It prints the address to open, then what it learned, a line of JSON each.
import { createServer } from "node:http";
import * as client from "openid-client";

const [issuer, id, secret, port, alg] = process.argv.slice(2);
const say = what => console.log(JSON.stringify(what));
const config = await client.discovery(
  new URL(issuer), id,
  { client_secret: secret || undefined, id_token_signed_response_alg: alg },
  secret ? client.ClientSecretBasic(secret) : client.None(),
  { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
);
const redirect_uri = `http://localhost:${port}/cb`;
const pkceCodeVerifier = client.randomPKCECodeVerifier();
const expectedState = client.randomState(), expectedNonce = client.randomNonce();
const to = client.buildAuthorizationUrl(config, {
  redirect_uri, scope: "openid email", state: expectedState, nonce: expectedNonce,
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: "S256",
});

createServer(async (req, res) => {
  const here = new URL(req.url, redirect_uri);
  if (here.pathname !== "/cb") return res.writeHead(404).end();
  try {
    const tokens = await client.authorizationCodeGrant(config, here, { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true });
    const claims = tokens.claims();
    const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
    let replay = "accepted";
    try {
      await client.authorizationCodeGrant(config, here, { pkceCodeVerifier, expectedState, expectedNonce });
    } catch (e) {
      replay = e.error ?? String(e);
    }
    res.setHeader("content-type", "text/html").end("<!doctype html><html lang=en><title>in</title><h1 id=in>Hello " + claims.email);
    say({ claims, info, replay });
  } catch (e) {
    res.writeHead(500).end("failed");
    say({ failed: String(e), cause: String(e.cause ?? "") });
  }
  setTimeout(() => process.exit(0), 100);
}).listen(port, "127.0.0.1", () => say({ url: to.href }));
