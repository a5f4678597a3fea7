/** Ids of sets: `YYYYMMDD_HHMMSS`, as the guide's `date +%Y%m%d_%H%M%S`. */

const PATTERN = /^(\d{4})(\d{2})(\d{2})_(\d{2})(\d{2})(\d{2})$/;

export function isSetId(text: string): boolean {
  return PATTERN.test(text);
}

/** The id one second later. Calendar arithmetic only: the zone the id was made in does not matter. */
export function nextSetId(setId: string): string {
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = (
    PATTERN.exec(setId) ?? []
  )
    .slice(1)
    .map(Number);
  const next = new Date(Date.UTC(year, month - 1, day, hour, minute, second + 1));
  return next.toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '_');
}
