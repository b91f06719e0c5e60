import { Migration } from '@mikro-orm/migrations';

/** Roles, what they permit, and who has them; and what members are called. */
export default class Access extends Migration {
  override up(): void {
    this.addSql(`
      CREATE TABLE permissions (
        name text PRIMARY KEY CONSTRAINT permissions_name_check CHECK (name ~ '^[a-z][a-z-]*:[a-z]+$'),
        description text NOT NULL
      )`);
    this.addSql(`
      CREATE TABLE roles (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        name text NOT NULL CONSTRAINT roles_name_key UNIQUE
          CONSTRAINT roles_name_check CHECK (name ~ '^[a-z][a-z0-9-]{0,49}$'),
        description text NOT NULL,
        is_built_in boolean NOT NULL
      )`);
    this.addSql(`
      CREATE TABLE role_permissions (
        role_id uuid NOT NULL CONSTRAINT role_permissions_role_id_fkey REFERENCES roles (id) ON DELETE CASCADE,
        permission_name text NOT NULL CONSTRAINT role_permissions_permission_name_fkey
          REFERENCES permissions (name) ON DELETE CASCADE,
        PRIMARY KEY (role_id, permission_name)
      )`);
    this.addSql('CREATE INDEX role_permissions_permission_name_idx ON role_permissions (permission_name)');
    this.addSql(`
      CREATE TABLE member_roles (
        user_id uuid NOT NULL,
        role_id uuid NOT NULL CONSTRAINT member_roles_role_id_fkey REFERENCES roles (id) ON DELETE CASCADE,
        member_since timestamptz(3) NOT NULL,
        PRIMARY KEY (user_id, role_id)
      )`);
    this.addSql('CREATE INDEX member_roles_role_id_idx ON member_roles (role_id)');
    this.addSql('CREATE TABLE member_profiles (user_id uuid PRIMARY KEY, display_name text, job_title text)');
    this.seed();
  }

  /** What each tenant begins with. Owners have all permissions, so that theirs are not written down. */
  private seed(): void {
    this.addSql(`
      INSERT INTO roles (name, description, is_built_in) VALUES
        ('owner', 'Owners of the tenant, who may do everything', true),
        ('admin', 'Admins of the tenant', true),
        ('member', 'All other members of the tenant', true)`);
    this.addSql(`INSERT INTO permissions (name, description) VALUES ('roles:write', 'Change roles, and who has them')`);
    this.addSql(
      `INSERT INTO role_permissions (role_id, permission_name) SELECT id, 'roles:write' FROM roles WHERE name = 'admin'`,
    );
  }

  override down(): void {
    for (const table of ['member_profiles', 'member_roles', 'role_permissions', 'roles', 'permissions']) {
      this.addSql(`DROP TABLE ${table}`);
    }
  }
}
