/** What the last check of the fleet found in a tenant. */
export interface DriftCheck {
  checkedAt: string;
  isClean: boolean;
  differences: number;
  error: string | null;
}

/** A tenant with drift. */
export type DriftedTenant = Omit<DriftCheck, 'isClean'> & { tenant: { id: string; slug: string } };

/** What the doctor has found. */
export interface Finding {
  message: string;
  remedy: string;
  fixable: boolean;
}
