// Clients that speak through a proxy of the tests.
import { Ruche, type RucheOptions } from 'ruche';
import type { Proxy } from './proxy.js';

/** It ends with the proxy. */
export function through(proxy: Proxy, options: RucheOptions = {}): Ruche {
	const client = new Ruche({ url: proxy.url, ...options });
	proxy.ends.push(() => client.close({ deadlineMs: 0 }));
	return client;
}
