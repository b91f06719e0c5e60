import { Migration } from '@mikro-orm/migrations';

/**
 * Webhooks and their deliveries. Triggers write a delivery for each webhook in the transaction of the change that it tells
 * of, whichever process and version makes the change.
 */
export default class Webhooks extends Migration {
  override up(): void {
    this.createTables();
    this.createEmitters();
    this.createTenantTrigger();
    this.createRunTriggers();
    this.createRestoreTrigger();
  }

  private createTables(): void {
    this.addSql(`
      CREATE TABLE webhooks (
        id uuid PRIMARY KEY,
        url text NOT NULL,
        events text[] NOT NULL,
        description text NOT NULL,
        secret text NOT NULL,
        is_enabled boolean NOT NULL DEFAULT true,
        disabled_reason text,
        failures integer NOT NULL DEFAULT 0,
        failing_since timestamptz(3),
        next_attempt_at timestamptz(3) NOT NULL DEFAULT now(),
        claim uuid,
        claimed_by integer,
        created_at timestamptz(3) NOT NULL DEFAULT now()
      )`);
    this.addSql(`COMMENT ON COLUMN webhooks.secret IS 'Encrypted'`);
    this.addSql(`COMMENT ON COLUMN webhooks.failures IS 'Failed attempts since the last successful one'`);
    this.addSql(`COMMENT ON COLUMN webhooks.claimed_by IS
      'The process that delivers its events, alive as long as it holds its advisory lock; claim names this claim'`);
    this.addSql(`
      CREATE TABLE webhook_deliveries (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        webhook_id uuid NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
        event_id uuid NOT NULL,
        event text NOT NULL,
        payload text NOT NULL,
        attempts integer NOT NULL DEFAULT 0,
        status_code integer,
        error text,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        attempted_at timestamptz(3),
        delivered_at timestamptz(3)
      )`);
    this.addSql(`COMMENT ON COLUMN webhook_deliveries.payload IS 'The body of the request, byte for byte'`);
    this.addSql('CREATE INDEX webhook_deliveries_webhook_id_idx ON webhook_deliveries (webhook_id, id)');
    this.addSql(`CREATE INDEX webhook_deliveries_pending_idx ON webhook_deliveries (webhook_id, id)
      WHERE delivered_at IS NULL`);
    this.addSql('CREATE INDEX webhook_deliveries_created_at_idx ON webhook_deliveries (created_at)');
  }

  private createEmitters(): void {
    // A webhook that is being deleted is locked and skipped: the foreign key must not fail the change that is told of.
    this.addSql(`
      CREATE FUNCTION emit_webhook_event(event_type text, event_data json) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        event_id uuid := gen_random_uuid();
        payload text := json_build_object(
          'type', event_type,
          'timestamp', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
          'data', event_data);
      BEGIN
        INSERT INTO webhook_deliveries (webhook_id, event_id, event, payload)
        SELECT w.id, event_id, event_type, payload FROM webhooks w
        WHERE w.is_enabled AND event_type = ANY (w.events) ORDER BY w.id FOR KEY SHARE;
        IF FOUND THEN PERFORM notify_if_room('webhooks', ''); END IF;
      END $$`);
    this.addSql(`COMMENT ON FUNCTION emit_webhook_event IS
      'Writes a delivery for each webhook that wants the event, to be sent after the transaction has been committed'`);
    this.addSql(`
      CREATE FUNCTION webhook_tenant(t tenants) RETURNS json LANGUAGE sql STABLE AS $$
        SELECT json_build_object(
          'id', t.id, 'slug', t.slug, 'name', t.name, 'isolation', t.isolation, 'server', t.server)
      $$`);
  }

  private createTenantTrigger(): void {
    this.addSql(`
      CREATE FUNCTION emit_tenant_event() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        event_type text := CASE
          WHEN old.status = 'PROVISIONING' AND new.status = 'ACTIVE' THEN 'tenant.created'
          WHEN old.status = 'ACTIVE' AND new.status = 'SUSPENDED' THEN 'tenant.suspended'
          WHEN old.status = 'SUSPENDED' AND new.status = 'ACTIVE' THEN 'tenant.activated'
          WHEN new.status = 'NEEDS_ATTENTION' THEN 'tenant.needs_attention'
          WHEN old.status IN ('ACTIVE', 'SUSPENDED', 'NEEDS_ATTENTION') AND new.status = 'DELETING' THEN 'tenant.deleted'
        END;
      BEGIN
        IF event_type IS NOT NULL THEN
          PERFORM emit_webhook_event(event_type, json_build_object('tenant', webhook_tenant(new)));
        END IF;
        RETURN NULL;
      END $$`);
    this.addSql(`
      CREATE TRIGGER tenants_webhooks AFTER UPDATE OF status ON tenants
        FOR EACH ROW WHEN (old.status <> new.status) EXECUTE FUNCTION emit_tenant_event()`);
  }

  private createRunTriggers(): void {
    this.addSql(`
      CREATE FUNCTION emit_run_event() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM emit_webhook_event(tg_argv[0], json_build_object('run', json_build_object(
          'id', new.id, 'kind', new.kind, 'status', coalesce(new.stopping, new.status),
          'dryRun', (new.options ->> 'dryRun')::boolean, 'total', new.total, 'succeeded', new.succeeded,
          'failed', new.failed, 'skipped', new.skipped, 'cancelled', new.cancelled)));
        RETURN NULL;
      END $$`);
    // A run that stops when nothing is left to cancel has not been halted.
    this.addSql(`
      CREATE TRIGGER migration_runs_halted AFTER UPDATE OF stopping ON migration_runs
        FOR EACH ROW WHEN (new.stopping = 'HALTED' AND new.cancelled > 0
          AND (old.stopping IS DISTINCT FROM 'HALTED' OR old.cancelled = 0))
        EXECUTE FUNCTION emit_run_event('run.halted')`);
    this.addSql(`
      CREATE TRIGGER migration_runs_ended AFTER UPDATE OF ended_at ON migration_runs
        FOR EACH ROW WHEN (old.ended_at IS NULL AND new.ended_at IS NOT NULL)
        EXECUTE FUNCTION emit_run_event('run.ended')`);
  }

  private createRestoreTrigger(): void {
    this.addSql('ALTER TABLE tenant_maintenances ADD COLUMN checkpoint jsonb');
    this.addSql(`COMMENT ON COLUMN tenant_maintenances.checkpoint IS
      'The id and name of the checkpoint that is restored; null for other maintenance'`);
    this.addSql(`
      CREATE FUNCTION emit_restore_event() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM emit_webhook_event('checkpoint.restored',
          json_build_object('tenant', webhook_tenant(t), 'checkpoint', new.checkpoint))
        FROM tenants t WHERE t.id = new.tenant_id;
        RETURN NULL;
      END $$`);
    this.addSql(`
      CREATE TRIGGER tenant_maintenances_restored AFTER UPDATE OF phase ON tenant_maintenances
        FOR EACH ROW WHEN (old.phase <> 'DONE' AND new.phase = 'DONE' AND new.checkpoint IS NOT NULL)
        EXECUTE FUNCTION emit_restore_event()`);
  }

  override down(): void {
    this.addSql('DROP TRIGGER tenant_maintenances_restored ON tenant_maintenances');
    this.addSql('ALTER TABLE tenant_maintenances DROP COLUMN checkpoint');
    this.addSql('DROP TRIGGER migration_runs_ended ON migration_runs');
    this.addSql('DROP TRIGGER migration_runs_halted ON migration_runs');
    this.addSql('DROP TRIGGER tenants_webhooks ON tenants');
    for (const trigger of ['emit_restore_event', 'emit_run_event', 'emit_tenant_event']) {
      this.addSql(`DROP FUNCTION ${trigger}()`);
    }
    this.addSql('DROP FUNCTION webhook_tenant(tenants)');
    this.addSql('DROP FUNCTION emit_webhook_event(text, json)');
    this.addSql('DROP TABLE webhook_deliveries');
    this.addSql('DROP TABLE webhooks');
  }
}
