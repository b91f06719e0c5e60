import { Migration } from '@mikro-orm/migrations';

/** Invitations to tenants, and who created a tenant. */
export default class Invitations extends Migration {
  override up(): void {
    this.addSql(`
      CREATE TABLE invitations (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        tenant_id uuid NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
        email text NOT NULL,
        user_id uuid REFERENCES users (id) ON DELETE SET NULL,
        role text NOT NULL CHECK (role IN ('OWNER', 'ADMIN', 'MEMBER')),
        token text NOT NULL CONSTRAINT invitations_token_key UNIQUE,
        invited_by uuid REFERENCES users (id) ON DELETE SET NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        expires_at timestamptz(3) NOT NULL,
        declined_at timestamptz(3),
        CONSTRAINT invitations_tenant_id_email_key UNIQUE (tenant_id, email)
      )`);
    this.addSql(`COMMENT ON TABLE invitations IS
      'Who was asked to become a member of a tenant and has not answered yet. It gives no rights'`);
    this.addSql(`COMMENT ON COLUMN invitations.email IS 'In lower case'`);
    this.addSql(`COMMENT ON COLUMN invitations.user_id IS
      'Whose account had the address when the invitation was made; the only one who can accept it'`);
    this.addSql(`COMMENT ON COLUMN invitations.token IS
      'Stored as it is: it is of no use to anybody but user_id, who has to be signed in'`);
    this.addSql(`COMMENT ON COLUMN invitations.declined_at IS
      'A declined invitation stays until it expires: its removal would tell the inviter that the address has an account'`);
    this.addSql('CREATE INDEX invitations_user_id_idx ON invitations (user_id)');
    this.addSql('CREATE INDEX invitations_invited_by_idx ON invitations (invited_by)');
    this.addSql('ALTER TABLE tenants ADD COLUMN created_by uuid REFERENCES users (id) ON DELETE SET NULL');
    this.addSql(`COMMENT ON COLUMN tenants.created_by IS
      'Who created it and became its first owner; stays when that user leaves. Null for tenants of platform admins'`);
    this.addSql('CREATE INDEX tenants_created_by_idx ON tenants (created_by)');
  }

  override down(): void {
    this.addSql('ALTER TABLE tenants DROP COLUMN created_by');
    this.addSql('DROP TABLE invitations');
  }
}
