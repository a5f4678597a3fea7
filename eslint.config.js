import js from '@eslint/js';
import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/**
 * Arrows point one way: each room names all that it may import. docs/architecture.md draws them.
 * What is not named is refused, so that a new room has to say where it stands.
 */
const rooms = {
  'src/base': [],
  'src/glob': ['src/base'],
  'src/tar': ['src/base'],
  'src/format': ['src/base', 'src/glob'],
  // Pure: from facts to decisions.
  'src/plan': ['src/base', 'src/format'],
  'src/config': ['src/base', 'src/glob', 'src/format', 'src/plan'],
  // Engines do the work, each with one kind of thing, and don't know each other.
  'src/tree': ['src/base', 'src/glob', 'src/tar', 'src/format'],
  'src/store': ['src/base', 'src/glob', 'src/tar', 'src/format'],
  'src/docker': ['src/base', 'src/glob', 'src/format'],
  'src/postgres': ['src/base', 'src/format', 'src/docker/engine'],
  // The backups of the old script, through all layers: nothing below knows of them.
  'src/legacy': [
    ...['src/base', 'src/glob', 'src/tar', 'src/format', 'src/plan', 'src/config'],
    ...['src/tree', 'src/store', 'src/postgres'],
  ],
  'src/notify': ['src/base', 'src/format', 'src/plan', 'src/config'],
  'src/observe': ['src/base', 'src/format', 'src/plan', 'src/config', 'src/store'],
  activities: [
    ...['src/base', 'src/glob', 'src/tar', 'src/format', 'src/plan', 'src/config', 'src/tree'],
    ...['src/store', 'src/docker', 'src/postgres', 'src/legacy', 'src/notify', 'src/observe'],
  ],
  // Deterministic: nothing that reads a clock, a file or a socket, and of the activities their types.
  workflows: [
    'src/base/errors.ts',
    'src/base/progress.ts',
    'src/base/words.ts',
    'src/format',
    'src/plan',
    'activities',
  ],
  'src/temporal': [
    ...['src/base', 'src/format', 'src/plan', 'src/config', 'src/store', 'src/docker'],
    ...['src/notify', 'src/observe', 'activities', 'workflows'],
  ],
  'src/cli': ['src', 'activities'],
};

const everything = ['src', 'workflows', 'activities'];
const zones = [
  ...Object.entries(rooms).flatMap(([room, allowed]) =>
    everything.map((from) => ({
      target: `./${room}`,
      from: `./${from}`,
      except: [room, ...allowed]
        .filter((one) => one === from || one.startsWith(`${from}/`))
        .map((one) => `.${one.slice(from.length)}`),
      message: `${room} may import: ${allowed.join(', ') || 'nothing of ours'}.`,
    })),
  ),
];

export default tseslint.config(
  { ignores: ['dist/', 'dist.*/', 'node_modules/', 'coverage/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    plugins: { 'import-x': importX },
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    settings: {
      'import-x/resolver': { typescript: { project: './tsconfig.json' } },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // zod schemas and interfaces are both in use; either form is fine.
      '@typescript-eslint/consistent-type-assertions': ['error', { assertionStyle: 'never' }],
      'import-x/no-restricted-paths': ['error', { zones }],
      'import-x/no-default-export': 'error',
      'import-x/no-cycle': 'error',
      'no-restricted-imports': [
        'error',
        {
          paths: [
            { name: 'node:child_process', message: 'Spawn through src/base/process/process.ts.' },
            { name: 'child_process', message: 'Spawn through src/base/process/process.ts.' },
            { name: 'execa', message: 'Spawn through src/base/process/process.ts.' },
            { name: 'dockerode', message: 'Talk to the engine through src/docker/.' },
          ],
        },
      ],
    },
  },
  {
    files: ['src/base/process/**/*.ts', 'src/base/files/lock.ts'],
    rules: { 'no-restricted-imports': 'off' },
  },
  {
    files: ['src/docker/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { paths: [{ name: 'execa', message: 'Spawn through src/base/process/process.ts.' }] },
      ],
    },
  },
  {
    files: ['test/**/*.ts', 'demo/**/*.ts', 'bench/**/*.ts'],
    rules: {
      '@typescript-eslint/consistent-type-assertions': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: { globals: { console: 'readonly', process: 'readonly' } },
  },
);
