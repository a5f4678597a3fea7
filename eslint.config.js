import js from '@eslint/js';
import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/** Arrows point one way (the design's map): each zone names what it must not import. */
const zones = [
  // The deterministic side: pure plans, inputs and types only.
  {
    target: './workflows',
    from: ['./src/archive', './src/postgres', './src/docker', './src/system'],
  },
  // Shapes of what is on disk: schemas and types, no I/O.
  { target: ['./workflows', './src/plan'], from: './src/store', except: ['./manifest.ts'] },
  {
    target: './workflows',
    from: ['./src/temporal', './src/observe', './src/cli', './src/config'],
  },
  // Pure functions import nothing that does I/O.
  {
    target: './src/plan',
    from: [
      './src/archive',
      './src/postgres',
      './src/docker',
      './src/system',
      './src/temporal',
      './src/observe',
      './src/cli',
      './workflows',
      './activities',
    ],
  },
  {
    target: './src/system',
    from: [
      './src/archive',
      './src/store',
      './src/postgres',
      './src/docker',
      './src/temporal',
      './src/observe',
      './src/cli',
      './src/config',
      './src/plan',
      './workflows',
      './activities',
    ],
  },
  {
    target: ['./src/archive', './src/store', './src/postgres', './src/docker'],
    from: ['./src/temporal', './src/cli', './workflows', './activities'],
  },
  { target: './activities', from: ['./src/cli', './src/temporal', './workflows'] },
  { target: './src/temporal', from: ['./src/cli'] },
  {
    target: ['./src/config', './src/observe'],
    from: ['./src/temporal', './src/cli', './workflows', './activities'],
  },
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
      'no-restricted-imports': [
        'error',
        {
          paths: [
            { name: 'node:child_process', message: 'Spawn through src/system/process.ts.' },
            { name: 'child_process', message: 'Spawn through src/system/process.ts.' },
            { name: 'execa', message: 'Spawn through src/system/process.ts.' },
            { name: 'dockerode', message: 'Talk to the engine through src/docker/.' },
          ],
        },
      ],
    },
  },
  {
    files: ['src/system/**/*.ts'],
    rules: { 'no-restricted-imports': 'off' },
  },
  {
    files: ['src/docker/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { paths: [{ name: 'execa', message: 'Spawn through src/system/process.ts.' }] },
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
