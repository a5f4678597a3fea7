// Adds up jest's JSON results and prints the closing line: `N passed, N failed`.
import { readFileSync } from 'node:fs';

let passed = 0;
let failed = 0;
for (const file of process.argv.slice(2)) {
  try {
    const result = JSON.parse(readFileSync(file, 'utf8'));
    passed += result.numPassedTests;
    failed += result.numFailedTests;
    // A file that could not even be loaded has no tests to count.
    failed += result.testResults.filter(
      (one) => one.status === 'failed' && one.assertionResults.length === 0,
    ).length;
  } catch (error) {
    console.error(`${file}: ${error.message}`);
    failed += 1;
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
