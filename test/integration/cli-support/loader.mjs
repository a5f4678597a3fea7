// Transpiles .ts on load, and finds it where the source says .js.
import { readFile } from 'node:fs/promises';
import { fileURLToPath, URL } from 'node:url';
import { createHash } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { transform } from '@swc/core';

/** Transpiled sources by what they were made from: the tests start dozens of processes. */
const cache = fileURLToPath(
  new URL('../../../node_modules/.cache/holdfast-test/', import.meta.url),
);

export async function resolve(specifier, context, next) {
  try {
    return await next(specifier, context);
  } catch (error) {
    const relative = specifier.startsWith('.') || specifier.startsWith('file:');
    if (!relative || !specifier.endsWith('.js')) throw error;
    return next(`${specifier.slice(0, -3)}.ts`, context);
  }
}

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context);
  const filename = fileURLToPath(url);
  const source = await readFile(filename, 'utf8');
  const key = createHash('sha256').update(`${filename}\0${source}`).digest('hex');
  return { format: 'module', source: await transpile(filename, source, key), shortCircuit: true };
}

async function transpile(filename, source, key) {
  const cached = `${cache}${key}.mjs`;
  try {
    return await readFile(cached, 'utf8');
  } catch {
    // not there yet
  }
  const { code } = await transform(source, {
    filename,
    swcrc: false,
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    module: { type: 'es6' },
    sourceMaps: 'inline',
  });
  await mkdir(cache, { recursive: true });
  await writeFile(`${cached}.${process.pid}`, code);
  await rename(`${cached}.${process.pid}`, cached);
  return code;
}
