// Lets a child process run the TypeScript sources as they are: node --import ./register.mjs file.ts
import { register } from 'node:module';

register('./loader.mjs', import.meta.url);
