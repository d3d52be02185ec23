// Relying parties that others wrote and certified, before an issuer: openid-client and oauth4webapi. Each line is a task; the answer says what came of it.
import readline from 'node:readline'
import * as client from 'openid-client'
import * as oauth from 'oauth4webapi'

// As much of a browser as a sign-in needs: cookies, one form, redirects up to the address of the client.
class Browser {
  constructor(issuer) { this.issuer = issuer; this.cookies = new Map() }

  async ask(url, form) {
    const answer = await fetch(new URL(url, this.issuer), {
      method: form ? 'POST' : 'GET', redirect: 'manual', body: form ? new URLSearchParams(form) : undefined,
      headers: { cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
    })
    for (const cookie of answer.headers.getSetCookie()) {
      const [pair] = cookie.split(';')
      this.cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
    }
    return answer
  }

  // Follows until the client's own address comes up; fills in the one form that it meets.
  async follow(start, until, person) {
    let answer = await this.ask(start)
    for (let steps = 0; steps < 12; steps++) {
      const location = answer.headers.get('location')
      if (location?.startsWith(until)) return new URL(location)
      if (location) { answer = await this.ask(location); continue }
      const page = await answer.text()
      const form = Object.fromEntries([...page.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)].map(([, name, value]) => [name, decode(value)]))
      const action = /<form method="post" action="([^"]+)">/.exec(page)?.[1]
      if (!action) throw new Error(`no way on from ${start}: ${answer.status}`)
      answer = await this.ask(action, { ...form, realm: 'customer', email: person.email, password: person.password })
    }
    throw new Error('the sign-in goes round in circles')
  }
}

const decode = (text) => text.replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&#x2B;', '+').replaceAll('&lt;', '<').replaceAll('&gt;', '>')
const importKey = (jwk) => crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
const failure = (error) => ({ error: error.error ?? error.code ?? error.name, message: String(error.message), cause: error.cause && String(error.cause.message ?? error.cause) })

const tasks = {
  // Discovery, code + PKCE, ID token, userinfo, introspection, refresh, revocation, sign-out: a web application with a secret.
  async signIn({ issuer, id, secret, redirect, signedOut, person }) {
    const config = await client.discovery(new URL(issuer), id, { client_secret: secret, id_token_signed_response_alg: 'ES256' }, client.ClientSecretBasic(secret), insecure())
    const verifier = client.randomPKCECodeVerifier()
    const [state, nonce] = [client.randomState(), client.randomNonce()]
    const browser = new Browser(issuer)
    const url = client.buildAuthorizationUrl(config, {
      redirect_uri: redirect, scope: 'openid profile offline_access', code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', state, nonce, max_age: '600',
    })
    const back = await browser.follow(url.href, redirect, person)
    const tokens = await client.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, maxAge: 600, idTokenExpected: true })
    const claims = tokens.claims()
    const user = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
    const before = await client.tokenIntrospection(config, tokens.access_token)
    const renewed = await client.refreshTokenGrant(config, tokens.refresh_token)
    await client.tokenRevocation(config, renewed.access_token)
    const after = await client.tokenIntrospection(config, renewed.access_token)
    const end = client.buildEndSessionUrl(config, { post_logout_redirect_uri: signedOut, id_token_hint: renewed.id_token ?? tokens.id_token, state: 'bye' })
    const out = await browser.follow(end.href, signedOut, person)
    const late = await client.refreshTokenGrant(config, renewed.refresh_token).then(() => 'taken', (error) => error.error)
    return { claims, user, before: before.active, after: after.active, renewed: renewed.refresh_token !== tokens.refresh_token, signedOut: out.href, late }
  },

  // Client credentials with private_key_jwt, and with a bound token at a call that wants one.
  async signingClient({ issuer, id, key, kid, resource, call }) {
    const config = await client.discovery(new URL(issuer), id, { id_token_signed_response_alg: 'ES256' }, client.PrivateKeyJwt({ key: await importKey(key), kid }), insecure())
    const bearer = await client.clientCredentialsGrant(config)
    const elsewhere = resource ? await client.clientCredentialsGrant(config, { resource }) : undefined
    const proofs = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
    const bound = await client.clientCredentialsGrant(config, undefined, { DPoP: proofs })
    const answer = call ? await client.fetchProtectedResource(config, bound.access_token, new URL(call), 'GET', undefined, undefined, { DPoP: proofs }) : undefined
    return { bearer: bearer.token_type, token: bearer.access_token, elsewhere: elsewhere?.access_token, bound: bound.token_type, boundToken: bound.access_token, status: answer?.status }
  },

  // A program without a secret: code + PKCE and refresh with proofs of one key, by the other library.
  async boundProgram({ issuer, id, redirect, person }) {
    const options = { [oauth.allowInsecureRequests]: true }
    const as = await oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), options))
    const relying = { client_id: id }
    const keys = await oauth.generateKeyPair('ES256')
    const DPoP = oauth.DPoP(relying, keys)
    const verifier = oauth.generateRandomCodeVerifier()
    const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
    const url = new URL(as.authorization_endpoint)
    for (const [name, value] of Object.entries({
      client_id: id, redirect_uri: redirect, response_type: 'code', scope: 'openid', state, nonce, code_challenge_method: 'S256',
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier), dpop_jkt: await DPoP.calculateThumbprint(),
    })) url.searchParams.set(name, value)
    const back = oauth.validateAuthResponse(as, relying, await new Browser(issuer).follow(url.href, redirect, person), state)
    const exchange = () => oauth.authorizationCodeGrantRequest(as, relying, oauth.None(), back, redirect, verifier, { DPoP, ...options })
    const tokens = await again(exchange, (answer) => oauth.processAuthorizationCodeResponse(as, relying, answer, { expectedNonce: nonce, requireIdToken: true }))
    const user = await again(() => oauth.userInfoRequest(as, relying, tokens.access_token, { DPoP, ...options }), (answer) => oauth.processUserInfoResponse(as, relying, oauth.getValidatedIdTokenClaims(tokens).sub, answer))
    const refresh = () => oauth.refreshTokenGrantRequest(as, relying, oauth.None(), tokens.refresh_token, { DPoP, ...options })
    const renewed = await again(refresh, (answer) => oauth.processRefreshTokenResponse(as, relying, answer))
    const stolen = await oauth.processRefreshTokenResponse(as, relying, await oauth.refreshTokenGrantRequest(as, relying, oauth.None(), renewed.refresh_token, options)).then(() => 'taken', (error) => error.error)
    await oauth.processRevocationResponse(await oauth.revocationRequest(as, relying, oauth.None(), renewed.refresh_token, options))
    const late = await again(() => oauth.refreshTokenGrantRequest(as, relying, oauth.None(), renewed.refresh_token, { DPoP, ...options }), (answer) => oauth.processRefreshTokenResponse(as, relying, answer)).then(() => 'taken', (error) => error.error)
    return { type: tokens.token_type, user, renewed: renewed.token_type, stolen, late }
  },

  // The answer of another issuer is told apart by its iss (RFC 9207).
  async mixUp({ issuer, id, redirect }) {
    const options = { [oauth.allowInsecureRequests]: true }
    const as = await oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), options))
    const tried = (parameters) => { try { oauth.validateAuthResponse(as, { client_id: id }, new URL(`${redirect}?${parameters}`), 's'); return 'taken' } catch (error) { return error.message } }
    return { foreign: tried('code=c&state=s&iss=https%3A%2F%2Fevil.example'), missing: tried('code=c&state=s'), ours: tried(`code=c&state=s&iss=${encodeURIComponent(issuer)}`) }
  },
}

const insecure = () => ({ execute: [client.allowInsecureRequests] })

// Once more with the nonce that the first answer gave (RFC 9449 §8); the libraries keep it.
async function again(ask, read) {
  try { return await read(await ask()) } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    return await read(await ask())
  }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const task = JSON.parse(line)
  let answer
  try { answer = await tasks[task.task](task) } catch (error) { answer = failure(error) }
  console.log(JSON.stringify(answer))
}
