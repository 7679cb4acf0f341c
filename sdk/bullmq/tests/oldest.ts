// With `node --import`: whoever asks for bullmq gets the oldest release that the package goes with.
import { register } from 'node:module';

register('./oldest-hooks.js', import.meta.url);
process.env['BULLMQ_OLDEST'] = '1';
