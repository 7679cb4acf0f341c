// What the daemon signs is verified by those who did not write it: npm's packages for HMAC-SHA256 (v1), Node's crypto for Ed25519 (v1a).
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, randomBytes, verify } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { Webhook as StandardFirst } from 'standardwebhooks-first';
import { Webhook as Standard } from 'standardwebhooks';
import { Webhook as Svix } from 'svix';
import { Webhook as SvixNewest } from 'svix-newest';
import { Daemon, Receiver, until } from './daemon.mjs';

const PACKAGES = { 'standardwebhooks 1.0.0': StandardFirst, 'standardwebhooks 1.1.1': Standard, 'svix 1.99.1': Svix, 'svix 2.5.0': SvixNewest };
const TOLERANCE_S = 300;

const makeSecret = () => 'whsec_' + randomBytes(32).toString('base64');

/** An Ed25519 key pair of its own: the daemon's text of the private key, and the other side's public key. */
function makePair() {
	const seed = randomBytes(32);
	const key = createPrivateKey({ key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]), format: 'der', type: 'pkcs8' });
	return { text: 'whsk_' + seed.toString('base64'), publicKey: createPublicKey(key) };
}

/** Signatures of a scheme in a request's header. */
function signatures({ headers }, scheme) {
	return headers['webhook-signature'].split(' ').filter((one) => one.startsWith(scheme + ',')).map((one) => Buffer.from(one.slice(scheme.length + 1), 'base64'));
}

function verifiesV1a(request, publicKey) {
	const signed = Buffer.concat([Buffer.from(`${request.headers['webhook-id']}.${request.headers['webhook-timestamp']}.`), request.body]);
	return signatures(request, 'v1a').some((signature) => verify(null, signed, publicKey, signature));
}

function believes(Package, secret, { headers, body }) {
	try {
		new Package(secret).verify(body.toString(), headers);
		return true;
	} catch {
		return false;
	}
}

describe('signatures', { timeout: 120_000 }, () => {
	const old = makeSecret(), coming = makeSecret(), stranger = makeSecret(), first = makePair(), second = makePair();
	let daemon, receiver;
	before(async () => {
		daemon = await Daemon.start({ shared: old, pair: first.text });
		receiver = await new Receiver().start();
	});
	after(async () => {
		await daemon?.stop();
		await receiver?.stop();
	});

	for (const [name, Package] of Object.entries(PACKAGES))
		test(`${name} believes what was sent, and nothing else`, async () => {
			await daemon.endpoint('plain', { url: receiver.url, sign: { kind: 'v1', secret: 'shared' } });
			const request = await daemon.tell('plain', receiver);
			assert.ok(believes(Package, old, request));
			assert.ok(!believes(Package, stranger, request), 'another key');
			assert.ok(!believes(Package, old, { ...request, body: Buffer.from(request.body.toString().replace('lavoir', 'Lavoir')) }), 'another body');
			assert.ok(!believes(Package, old, { ...request, headers: { ...request.headers, 'webhook-id': 'msg_other' } }), 'another id');
			const late = String(Number(request.headers['webhook-timestamp']) - TOLERANCE_S - 60);
			assert.ok(!believes(Package, old, { ...request, headers: { ...request.headers, 'webhook-timestamp': late } }), 'another instant');
			assert.equal(request.headers['webhook-id'], request.id);
			assert.deepEqual(JSON.parse(request.body).data, { title: 'Couvrir le lavoir', n: 1 });
		});

	test('bodies of all formats, and text of all kinds', async () => {
		await daemon.call('PUT', '/v1/formats/titled', { program: '{titre: .payload.title, "été": "☃ \\u0000 \\"" }' });
		for (const format of ['default', 'raw', 'cloudevents', 'cloudevents-binary', 'titled']) {
			await daemon.endpoint('format', { url: receiver.url, format, sign: { kind: 'v1', secret: 'shared' } });
			const request = await daemon.tell('format', receiver, { payload: { title: 'Évier 🚰 \u2028 <b>', list: [1, 2.5, null, true], big: 'x'.repeat(300_000) } });
			for (const [name, Package] of Object.entries(PACKAGES))
				assert.ok(believes(Package, old, request), `${name}, ${format}`);
		}
	});

	test('a call without a body is verified too', async () => {
		await daemon.endpoint('gone', { url: receiver.url, order: 'latest', sign: { kind: 'v1', secret: 'shared' }, retract: { method: 'DELETE', url: receiver.url } });
		await daemon.tell('gone', receiver, { entity: 'e1' });
		const request = await daemon.tell('gone', receiver, { entity: 'e1', deleted: true });
		assert.equal(request.method, 'DELETE');
		for (const [name, Package] of Object.entries(PACKAGES))
			assert.ok(believes(Package, old, request), name);
	});

	test("svix's own names of headers", async () => {
		await daemon.endpoint('svix', { url: receiver.url, sign: { kind: 'v1', secret: 'shared', prefix: 'svix' } });
		const request = await daemon.tell('svix', receiver);
		assert.equal(request.headers['webhook-signature'], undefined);
		for (const name of ['svix 1.99.1', 'svix 2.5.0'])
			assert.ok(believes(PACKAGES[name], old, request), name);
	});

	test('Ed25519 by the crypto of Node, and beside it HMAC in the same header', async () => {
		await daemon.endpoint('ed', { url: receiver.url, sign: { kind: 'v1a', secret: 'pair' } });
		const alone = await daemon.tell('ed', receiver);
		assert.ok(verifiesV1a(alone, first.publicKey));
		assert.ok(!verifiesV1a(alone, second.publicKey), 'another key');
		assert.ok(!verifiesV1a({ ...alone, body: Buffer.from('{}') }, first.publicKey), 'another body');
		assert.equal(signatures(alone, 'v1').length, 0);
		await daemon.endpoint('both', { url: receiver.url, sign: { kind: 'both', secret: 'shared', secret_v1a: 'pair' } });
		const both = await daemon.tell('both', receiver);
		assert.ok(verifiesV1a(both, first.publicKey));
		for (const [name, Package] of Object.entries(PACKAGES))
			assert.ok(believes(Package, old, both), name);
	});

	test('while a key of the watched file is rotated, who has either of them believes', async () => {
		const kept = { shared: old, pair: first.text };
		const rounds = [[old], [coming, old], [coming]], pairs = [[first], [second, first], [second]];
		for (const [at, values] of rounds.entries()) {
			await daemon.changeSecrets({ ...kept, turning: values, pairs: pairs[at].map(({ text }) => text) });
			if (at === 0)
				await daemon.endpoint('turn', { url: receiver.url, sign: { kind: 'both', secret: 'turning', secret_v1a: 'pairs' } });
			const request = await daemon.tell('turn', receiver);
			for (const [name, Package] of Object.entries(PACKAGES))
				for (const secret of [old, coming])
					assert.equal(believes(Package, secret, request), values.includes(secret), `${name}, round ${at}`);
			for (const pair of [first, second])
				assert.equal(verifiesV1a(request, pair.publicKey), pairs[at].includes(pair), `Ed25519, round ${at}`);
		}
	});

	test('while a sealed key is rotated, who has either of them believes; then the new one alone', async () => {
		const { signing_secret: made } = await daemon.endpoint('sealed', { url: receiver.url });
		const { value: next } = await daemon.call('POST', '/v1/secrets/endpoint%2Fsealed/rotate', {});
		const overlapping = await daemon.tell('sealed', receiver);
		const { value: last } = await daemon.call('POST', '/v1/secrets/endpoint%2Fsealed/rotate', { overlap_ms: 0 });
		const afterwards = await daemon.tell('sealed', receiver);
		for (const [name, Package] of Object.entries(PACKAGES)) {
			assert.ok(believes(Package, made, overlapping) && believes(Package, next, overlapping), `${name}: one of the two is refused`);
			assert.deepEqual([made, next, last].map((secret) => believes(Package, secret, afterwards)), [false, false, true], name);
		}
	});

	test('each attempt is signed anew, under the same id', async () => {
		const moody = await new Receiver(503, 503, 200).start();
		await daemon.endpoint('moody', { url: moody.url, sign: { kind: 'v1', secret: 'shared' } });
		const { id } = await daemon.call('POST', '/v1/messages', { type: 'moody.told', payload: {} });
		await until('the third attempt came', () => moody.received.length === 3);
		for (const request of moody.received) {
			assert.equal(request.headers['webhook-id'], id);
			assert.ok(believes(Standard, old, request));
		}
		await moody.stop();
	});
});
