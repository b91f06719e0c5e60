const viewer = 'viewer { isPlatformAdmin user { id email name } }';
const session = `token refreshToken deviceToken ${viewer}`;
const page = 'totalCount pageInfo { endCursor hasNextPage }';
const tenant = `id slug name host status isolation version behind createdAt deletedAt deletedBy purgeAt
  usage { databaseBytes rows files lastRequestAt measuredAt } clonedFrom { slug checkpoint } placement { server database schema }`;
const run = `id kind status dryRun checkpoint createdAt startedAt endedAt
  total succeeded failed skipped cancelled pending`;
const user = 'id email name active isPlatformAdmin createdAt';
const checkpoint = 'id name kind version createdAt sizeBytes';

/** All operations that the console sends, by name. A test validates each against the API's schema. */
export const documents = {
  viewer: `query Viewer { server { name version } ${viewer} }`,
  signIn: `mutation SignIn($input: LoginInput!) { login(input: $input) { ${session} } }`,
  refresh: `mutation Refresh($token: String!) { refreshToken(refreshToken: $token) { ${session} } }`,
  signOut: 'mutation SignOut($token: String!) { logout(refreshToken: $token) }',

  fleetCells: `query FleetCells($after: String) { fleetCells(after: $after) {
    cells { id slug status isolation server state } deleted states { id version behind } hasMore cursor } }`,

  runs: `query Runs($after: String, $status: MigrationRunStatus, $kind: MigrationRunKind) {
    migrationRuns(first: 30, after: $after, status: $status, kind: $kind) { ${page} nodes { ${run} } } }`,
  run: `query Run($id: ID!) { migrationRun(id: $id) { ${run} lastSeq
    rate remainingSeconds changes { migration tenants }
    waveStatus { number status size done failed remaining }
    failures { error code migration statement count tenants(first: 5) { id slug } } } }`,
  runItems: `query RunItems($id: ID!, $after: String, $status: RunItemStatus) { migrationRun(id: $id) {
    items(first: 30, after: $after, status: $status) { ${page}
      nodes { status applied attempts error durationMs tenant { id slug } } } } }`,
  runProgress: `subscription RunProgress($run: ID!, $after: Int) { migrationProgress(run: $run, after: $after) {
    seq at kind message migration done total rate remainingSeconds tenant { id slug } } }`,
  plan: `query Plan($input: MigrationPlanInput!) { migrationPlan(input: $input) { totalCount upToDateCount
    migrations { name kind reversible transactional warnings(first: 5) { severity message advice } }
    tenants(first: 30) { pending refusal tenant { id slug } } } }`,
  migrations: 'query Migrations { migrations(scope: TENANT) { name } }',
  startRun: 'mutation StartRun($input: RunMigrationsInput!) { runMigrations(input: $input) { id } }',
  cancelRun: 'mutation CancelRun($id: ID!) { cancelMigrationRun(id: $id) { id } }',
  resumeRun: 'mutation ResumeRun($id: ID!) { resumeMigrationRun(id: $id) { id } }',
  undoRun: 'mutation UndoRun($id: ID!) { undoMigrationRun(id: $id) { id } }',

  tenant: `query Tenant($id: ID!) { tenant(id: $id) { ${tenant} } }`,
  tenants: `query Tenants($first: Int, $search: String) { tenants(first: $first, filter: { search: $search }) {
    totalCount nodes { id slug name } } }`,
  members: `query Members($id: ID!, $after: ID) { tenant(id: $id) {
    members(first: 50, after: $after) { role isPending user { id email name } } } }`,
  history: `query History($id: ID!, $after: String) { migrationHistory(tenant: $id, first: 20, after: $after) { ${page}
    nodes { name scope kind status run appliedAt durationMs error } } }`,
  checkpoints: `query Checkpoints($id: ID!) { checkpoints(tenant: $id) { ${checkpoint} } }`,
  transfers: `query Transfers($id: ID!) { tenantTransfers(tenant: $id, first: 5) { nodes {
    id kind status online rowsCopied rowsTotal bytesCopied pausedMs error createdAt endedAt
    tenant { id slug } from { server schema } to { server schema } } } }`,
  moveTenant: 'mutation MoveTenant($input: MoveTenantInput!) { moveTenant(input: $input) { id } }',
  cloneTenant: 'mutation CloneTenant($input: CloneTenantInput!) { cloneTenant(input: $input) { id } }',
  resumeTransfer: 'mutation ResumeTransfer($id: ID!) { resumeTenantTransfer(id: $id) { id } }',
  cancelTransfer: 'mutation CancelTransfer($id: ID!) { cancelTenantTransfer(id: $id) { id } }',
  drifted: `query Drifted($after: String) { driftedTenants(first: 30, after: $after) { ${page}
    nodes { checkedAt differences error tenant { id slug } } } }`,
  doctor: 'query Doctor { doctor { message remedy fixable } }',
  driftCheck: 'query DriftCheck($id: ID!) { tenant(id: $id) { driftCheck { checkedAt isClean differences error } } }',
  drift: 'query Drift($id: ID!) { tenant(id: $id) { drift { isClean sql } } }',
  suspend: 'mutation Suspend($id: ID!) { suspendTenant(id: $id) { id } }',
  deleteTenant: `mutation DeleteTenant($id: ID!, $slug: String!, $purge: Boolean) {
    deleteTenant(id: $id, slug: $slug, purge: $purge) { id } }`,
  undeleteTenant: 'mutation UndeleteTenant($id: ID!) { undeleteTenant(id: $id) { id } }',
  activate: 'mutation Activate($id: ID!) { activateTenant(id: $id) { id } }',
  resolve: `mutation Resolve($id: ID!, $force: Boolean) { resolveTenant(tenant: $id, force: $force) {
    resolved applied pending problems lastFailure } }`,
  createCheckpoint: `mutation CreateCheckpoint($id: ID!, $name: String) {
    createCheckpoint(tenant: $id, name: $name) { id name } }`,
  restoreCheckpoint: `mutation RestoreCheckpoint($id: ID!, $acceptDataLoss: Boolean) {
    restoreCheckpoint(id: $id, acceptDataLoss: $acceptDataLoss) { id } }`,
  deleteCheckpoint: 'mutation DeleteCheckpoint($id: ID!) { deleteCheckpoint(id: $id) }',

  servers: `query Servers { servers { name host port pooler tenantCount connectionBudget connectionLimit processes processConnections connectionsInUse acceptsTenants }
    health { status databases { name server ok latencyMs error } } }`,
  serverNodes: 'query ServerNodes { servers { name nodes(first: 50) { address isActive tenantCount } } }',
  audit: `query Audit($after: String, $tenant: ID, $filter: AuditFilter) {
    auditLog(first: 30, after: $after, tenant: $tenant, filter: $filter) { ${page}
      nodes { id at actor action outcome address requestId details count tenantSlug tenant { id slug } } } }`,
  users: `query Users($after: String, $search: String) {
    users(first: 30, after: $after, search: $search) { ${page} nodes { ${user} } } }`,
  setUserActive: `mutation SetUserActive($user: ID!, $active: Boolean!) {
    setUserActive(user: $user, active: $active) { ${user} } }`,
  setPlatformAdmin: `mutation SetPlatformAdmin($user: ID!, $isPlatformAdmin: Boolean!) {
    setPlatformAdmin(user: $user, isPlatformAdmin: $isPlatformAdmin) { ${user} } }`,
};
