// Where the daemon listens: read from an option, from the environment, or the default.
import { readFileSync } from 'node:fs';
export const DEFAULT_URL = 'http://127.0.0.1:8420';
/** Reads `http://host:port`, `https://…` or `unix:/path`. Throws a TypeError that says what is wrong with it. */
export function parseAddress(url) {
    if (url.startsWith('unix:')) {
        const socketPath = url.slice('unix:'.length).replace(/^\/\/(?=\/)/, '');
        if (!socketPath.startsWith('/'))
            throw new TypeError(`'${url}' is no address of a daemon: a Unix socket is written unix:/absolute/path`);
        return { text: `unix:${socketPath}`, secure: false, socketPath, prefix: '' };
    }
    let parsed;
    try {
        parsed = new URL(url);
    }
    catch {
        throw new TypeError(`'${url}' is no address of a daemon: write http://host:port, https://host or unix:/path`);
    }
    const secure = parsed.protocol === 'https:';
    if (!secure && parsed.protocol !== 'http:')
        throw new TypeError(`'${parsed.protocol}' is not spoken by Ruche: write http://host:port, https://host or unix:/path`);
    if (parsed.search || parsed.hash)
        throw new TypeError(`the address of a daemon has no '${parsed.search || parsed.hash}': write http://host:port`);
    const token = decodeURIComponent(parsed.password || parsed.username);
    return {
        text: `${parsed.protocol}//${parsed.host}`,
        secure,
        hostname: parsed.hostname.replace(/^\[(.*)\]$/, '$1'),
        port: parsed.port ? Number(parsed.port) : secure ? 443 : 80,
        prefix: parsed.pathname.replace(/\/+$/, ''),
        ...(token ? { token } : {}),
    };
}
/** The token that the environment names: RUCHE_TOKEN, or what the file RUCHE_TOKEN_FILE holds. */
export function environmentToken(environment = process.env) {
    if (environment['RUCHE_TOKEN'])
        return environment['RUCHE_TOKEN'];
    const path = environment['RUCHE_TOKEN_FILE'];
    return path ? readFileSync(path, 'utf8').trim() : undefined;
}
