import { Migration } from '@mikro-orm/migrations';

/**
 * Tenants in the bin, and the proof of what was removed. Processes of earlier versions answer TENANT_NOT_FOUND for a status that
 * they do not know, and neither migrate nor remove such a tenant.
 */
export default class BinOfTenants extends Migration {
  override up(): void {
    this.addSql(statusCheck([...statuses, 'DELETED']));
    this.addSql(`
      ALTER TABLE tenants
        ADD COLUMN deleted_at timestamptz(3),
        ADD COLUMN deleted_by text,
        ADD COLUMN purge_at timestamptz(3),
        ADD COLUMN status_before_deletion text
          CHECK (status_before_deletion IN ('ACTIVE', 'SUSPENDED', 'NEEDS_ATTENTION')),
        ADD COLUMN undelete_run uuid REFERENCES migration_runs (id) ON DELETE SET NULL,
        ADD COLUMN removal jsonb,
        ADD CONSTRAINT tenants_bin_check CHECK (status <> 'DELETED'
          OR (deleted_at IS NOT NULL AND purge_at IS NOT NULL AND status_before_deletion IS NOT NULL))`);
    this.addSql(`COMMENT ON COLUMN tenants.purge_at IS 'While DELETED: when it is removed for good'`);
    this.addSql(`COMMENT ON COLUMN tenants.status_before_deletion IS 'While DELETED: the status that it gets back'`);
    this.addSql(`COMMENT ON COLUMN tenants.undelete_run IS
      'The run that brings it back, or tried to: when the run has migrated it, it gets its status back'`);
    this.addSql(`COMMENT ON COLUMN tenants.removal IS
      'While DELETING, unless its creation failed: who asked for it, and what there was before anything was dropped'`);
    this.addSql(`CREATE INDEX tenants_purge_at_idx ON tenants (purge_at) WHERE status = 'DELETED'`);
    this.addSql('CREATE INDEX tenants_undelete_run_idx ON tenants (undelete_run) WHERE undelete_run IS NOT NULL');
    this.replaceTrigger();
  }

  private replaceTrigger(): void {
    this.addSql('DROP TRIGGER tenants_webhooks ON tenants');
    // A tenant whose creation failed has no removal: nobody was told of it.
    this.addSql(`
      CREATE OR REPLACE FUNCTION emit_tenant_event() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        event_type text;
      BEGIN
        IF tg_op = 'DELETE' THEN
          IF old.removal IS NOT NULL THEN
            PERFORM emit_webhook_event('tenant.purged', json_build_object('tenant', webhook_tenant(old)));
          END IF;
          RETURN NULL;
        END IF;
        event_type := CASE
          WHEN old.status = new.status THEN NULL
          WHEN old.status = 'PROVISIONING' AND new.status = 'ACTIVE' THEN 'tenant.created'
          WHEN old.status = 'DELETED' AND new.status IN ('ACTIVE', 'SUSPENDED', 'NEEDS_ATTENTION') THEN 'tenant.undeleted'
          WHEN old.status IN ('ACTIVE', 'SUSPENDED', 'NEEDS_ATTENTION') AND new.status IN ('DELETED', 'DELETING')
            THEN 'tenant.deleted'
          WHEN old.status = 'ACTIVE' AND new.status = 'SUSPENDED' THEN 'tenant.suspended'
          WHEN old.status = 'SUSPENDED' AND new.status = 'ACTIVE' THEN 'tenant.activated'
          WHEN new.status = 'NEEDS_ATTENTION' THEN 'tenant.needs_attention'
        END;
        IF event_type IS NOT NULL THEN
          PERFORM emit_webhook_event(event_type, json_build_object('tenant', webhook_tenant(new)));
        END IF;
        IF old.key <> new.key THEN
          PERFORM emit_webhook_event('tenant.moved', json_build_object('tenant', webhook_tenant(new),
            'from', json_build_object('isolation', old.isolation, 'server', old.server)));
        END IF;
        RETURN NULL;
      END $$`);
    this.addSql(`
      CREATE TRIGGER tenants_webhooks AFTER UPDATE OF status, key ON tenants
        FOR EACH ROW WHEN (old.status <> new.status OR old.key <> new.key) EXECUTE FUNCTION emit_tenant_event()`);
    this.addSql(`
      CREATE TRIGGER tenants_purged_webhooks AFTER DELETE ON tenants
        FOR EACH ROW EXECUTE FUNCTION emit_tenant_event()`);
  }

  override down(): void {
    this.addSql('DROP TRIGGER tenants_purged_webhooks ON tenants');
    this.addSql('DROP TRIGGER tenants_webhooks ON tenants');
    this.addSql(`
      CREATE OR REPLACE FUNCTION emit_tenant_event() RETURNS trigger LANGUAGE plpgsql AS $$
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
    this.addSql(`ALTER TABLE tenants DROP CONSTRAINT tenants_bin_check`);
    // The earlier version has no bin. Such a tenant stays closed and keeps its data.
    this.addSql(`UPDATE tenants SET status = 'SUSPENDED' WHERE status = 'DELETED'`);
    this.addSql(`
      ALTER TABLE tenants DROP COLUMN removal, DROP COLUMN undelete_run, DROP COLUMN status_before_deletion,
        DROP COLUMN purge_at, DROP COLUMN deleted_by, DROP COLUMN deleted_at`);
    this.addSql(statusCheck(statuses));
  }
}

const statuses = ['PROVISIONING', 'ACTIVE', 'SUSPENDED', 'MAINTENANCE', 'NEEDS_ATTENTION', 'DELETING'];

function statusCheck(allowed: readonly string[]): string {
  return `
    ALTER TABLE tenants DROP CONSTRAINT tenants_status_check,
      ADD CONSTRAINT tenants_status_check CHECK (status IN (${allowed.map((status) => `'${status}'`).join(', ')}))`;
}
