import { Migration } from '@mikro-orm/migrations';

/** Which tenants each process has been busy with. */
export default class TenantLoads extends Migration {
  override up(): void {
    this.addSql(`
      CREATE TABLE tenant_loads (
        instance integer PRIMARY KEY,
        reported_at timestamptz NOT NULL DEFAULT now(),
        period_ms double precision NOT NULL CHECK (period_ms > 0),
        loads jsonb NOT NULL
      )`);
    this.addSql(`COMMENT ON TABLE tenant_loads IS
      'The requests of the busiest tenants in the last seconds of each process, which replaces its row; see tenantry top'`);
    this.addSql(`COMMENT ON COLUMN tenant_loads.loads IS 'A list of objects with tenant, requests and ms'`);
  }

  override down(): void {
    this.addSql('DROP TABLE tenant_loads');
  }
}
