import type { CheckFacts, CheckFinding, CheckPolicy, DiskFacts, Severity } from './check-facts.js';
import { forecastDisk, type Forecast } from './forecast.js';
import { isOfFuture } from '../../format/set-order.js';
import { formatBytes } from '../../base/words.js';

export function checkDisk(facts: CheckFacts, policy: CheckPolicy): CheckFinding[] {
  const { disk } = facts;
  const sets = facts.sets.filter((set) => !isOfFuture(set, facts.now));
  if (disk === undefined || disk.totalBytes === 0) {
    return [
      {
        subject: 'disk',
        code: 'root-missing',
        severity: 'critical',
        message: 'the directory of the backups is not there',
        hint: 'is its disk mounted?',
      },
    ];
  }
  const inodes = checkInodes(disk, policy);
  const { daily, weekly, monthly } = policy.tiers;
  const keeps = { daily: daily.keep, weekly: weekly.keep, monthly: monthly.keep };
  const forecast = forecastDisk(sets, keeps, disk.freeBytes);
  const percent = (disk.freeBytes / disk.totalBytes) * 100;
  const free = `${formatBytes(disk.freeBytes)} (${percent.toFixed(0)} %) free`;
  const hint = 'free some space, or let the tiers keep fewer sets';
  const found = (code: string, severity: Severity, message: string): CheckFinding => ({
    subject: 'disk',
    code,
    severity,
    message,
    ...(severity === 'ok' ? {} : { hint }),
  });
  const findings: CheckFinding[] = [...inodes];
  if (percent < policy.freeCriticalPercent) findings.push(found('disk-low', 'critical', free));
  else if (percent < policy.freeWarnPercent) findings.push(found('disk-low', 'warning', free));
  if (disk.freeBytes < forecast.usualBytes) {
    const message = `${free}, and a backup usually adds ${formatBytes(forecast.usualBytes)}`;
    findings.push(found('next-does-not-fit', 'critical', message));
  } else if (disk.freeBytes < forecast.mostBytes) {
    const message = `${free}; the largest of the last backups added ${formatBytes(forecast.mostBytes)}`;
    findings.push(found('full-does-not-fit', 'warning', message));
  }
  const { daysLeft, bytesPerDay } = forecast;
  if (daysLeft !== undefined && daysLeft * 86_400_000 < policy.forecastMs) {
    const message = `${free}, growing by ${formatBytes(bytesPerDay)} a day: full in ${Math.floor(daysLeft)} days`;
    findings.push(found('disk-fills', 'warning', message));
  }
  if (findings.length > 0) return findings;
  return [found('disk-fine', 'ok', `${free}${describeForecast(forecast)}`)];
}

const LONG_DAYS = 3650;

function describeForecast({ daysLeft, known }: Forecast): string {
  if (!known) return '; how long it lasts is not known yet: that takes sets of two days';
  if (daysLeft === undefined) return ', and not growing';
  return daysLeft > LONG_DAYS
    ? ', enough for more than ten years'
    : `, enough for ${Math.floor(daysLeft)} days`;
}

/** Below this a backup of some services may run out, whatever the percentage. */
const FEWEST_INODES = 1000;

function checkInodes(
  { inodes }: DiskFacts,
  { freeWarnPercent, freeCriticalPercent }: CheckPolicy,
): CheckFinding[] {
  if (inodes === undefined || inodes.total === 0) return [];
  const percent = (inodes.free / inodes.total) * 100;
  if (percent >= freeWarnPercent && inodes.free >= FEWEST_INODES) return [];
  const isCritical = percent < freeCriticalPercent || inodes.free < FEWEST_INODES;
  return [
    {
      subject: 'disk',
      code: 'inodes-low',
      severity: isCritical ? 'critical' : 'warning',
      message: `${inodes.free} inodes (${percent.toFixed(0)} %) free: when they are used up nothing can be written, however many bytes are free`,
      hint: 'remove small files from that disk, or let the tiers keep fewer sets',
    },
  ];
}
