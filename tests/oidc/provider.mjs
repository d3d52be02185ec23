// A certified OpenID provider on a free port of this machine, driven by lines of JSON on standard input; each is answered by one line.
// Nobody's password is checked: its sign-in page takes whatever name is typed.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';

// Standard output is for answers alone.
console.log = console.info = console.error;
const say = answer => process.stdout.write(JSON.stringify(answer) + '\n');

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { value: first } = await lines.next();
const given = JSON.parse(first);
const seen = { discovery: 0, keys: 0 };
let keys = [], handle = null, down = false, made = 0;

const server = createServer((request, answer) => {
  if (down) return request.socket.destroy();
  if (request.url === '/.well-known/openid-configuration') seen.discovery++;
  if (request.url === '/jwks') seen.keys++;
  return handle(request, answer);
});
await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

async function make() {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return { ...(await exportJWK(privateKey)), kid: `key-${++made}`, alg: 'ES256', use: 'sig' };
}

function serve() {
  const provider = new Provider(issuer, {
    clients: given.clients.map(client => ({ id_token_signed_response_alg: 'ES256', ...client })),
    jwks: { keys },
    cookies: { keys: ['of the tests alone'] },
    claims: { openid: ['sub'] },
    enabledJWA: { clientAuthSigningAlgValues: ['ES256'] },
    issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
    extraTokenClaims: (_, token) => given.people[token.accountId ?? token.clientId] ?? {},
    features: {
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => given.resource,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ scope: 'vault', audience: given.audience, accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }),
      },
    },
  });
  handle = provider.callback();
}

const acts = {
  // A new key is published; the first still signs.
  publish: async () => { keys = [...keys, await make()]; serve(); },
  // The newest of the published signs.
  sign: async () => { keys = [keys.at(-1), ...keys.slice(0, -1)]; serve(); },
  // A new key is published and signs at once; those before stay published.
  rotate: async () => { keys = [await make(), ...keys]; serve(); },
  // Only the newest stays.
  retire: async () => { keys = keys.slice(0, 1); serve(); },
  down: async () => { down = true; },
  up: async () => { down = false; },
  count: async () => seen,
};

await acts.rotate();
say({ issuer });
for await (const line of lines) say(await acts[JSON.parse(line).do]() ?? {});
process.exit(0);
