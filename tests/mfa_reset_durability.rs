//! A reset of many users is finished, and every user is reset exactly once, although its servers are killed again and
//! again.
//!
//! The oracle is the audit logs: one event for each user, whose chain verifies; and the users themselves.
//!
//! `REKEY_RESET_KILLS` sets how often a server is killed, `REKEY_RESET_USERS` how many users each tenant has.

#[path = "support/mod.rs"]
mod support;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rekey::{
    access::Caller,
    audit::Activity,
    clock::{Clock, Entropy},
    id::{MethodId, TenantId, UserId},
    methods::{
        MethodKind, new_row,
        phone::{Phone, PhoneType},
    },
    mfa_resets::{
        self, MfaReset, Plan,
        targets::{self, Selection},
    },
    seal::{KeySource, Sealer},
    store::{
        Context, Store, Tx, audit, methods,
        mfa_resets::MfaResetStatus,
        users::{self, Requirements},
    },
};
use support::{
    Backend,
    process::{Installation, Server},
    seed::member,
};

const TENANTS: usize = 3;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Enough that the first kills and the last come while there is something to do.
fn users_per_tenant() -> u64 {
    setting("REKEY_RESET_USERS", 3_000)
}

struct World {
    installation: Installation,
    store: Store,
    tenants: Vec<TenantId>,
}

impl World {
    /// Tenants made by the command line, and users with two phones each.
    async fn new(backend: Backend) -> Self {
        let mut installation = Installation::new(backend);
        // So slow that the last kill finds something undone, however fast the machine is.
        installation.arguments = vec!["--mfa-reset-rate", "100"];
        let tenants = (0..TENANTS).map(|number| {
            let domain = format!("customer{number}.example");
            let made = installation.run(&["tenant", "create", "--name", &domain, "--domain", &domain]);
            TenantId::new(made["tenantId"].as_str().unwrap())
        });
        let tenants: Vec<_> = tenants.collect();
        let sealer = Sealer::load(&KeySource::File(installation.path().join("rekey.key")), &Entropy::System).unwrap();
        let context = Context::new(Clock::System, Entropy::System, sealer, rekey::reports::classify);
        let store = Store::open(&installation.database.parse().unwrap(), context).unwrap();
        for tenant in &tenants {
            let (of, count) = (tenant.clone(), users_per_tenant());
            store
                .write(tenant, move |tx| (0..count).try_for_each(|number| insert_user(tx, &of, number)))
                .await
                .unwrap();
        }
        Self { installation, store, tenants }
    }
}

fn insert_user(tx: &mut Tx<'_>, tenant: &TenantId, number: u64) -> rekey::error::Result<()> {
    let (id, name) = (UserId::new(tx.guid()), format!("user{number}@{tenant}.example"));
    let user = member(tenant, id, name, format!("User {number}"));
    users::insert(tx, &user, &Requirements::default())?;
    for phone_type in [PhoneType::Mobile, PhoneType::Office] {
        let phone = Phone { phone_number: "+1 2065550100".into(), phone_type, is_verified: true };
        let id = MethodId::new(phone_type.method_id());
        methods::insert(tx, &new_row(tx, tenant, &user.user_id, MethodKind::Phone, id, &phone)?)?;
    }
    Ok(())
}

/// Waits until the reset has one of these statuses.
async fn wait_for(world: &World, id: &str, over: impl Fn(&MfaReset) -> bool) -> MfaReset {
    let begin = Instant::now();
    loop {
        let (caller, of) = (world.operator(), id.to_owned());
        let now = world.store.read(move |tx| mfa_resets::find(tx, &caller, &of)).await.unwrap();
        if over(&now) {
            return now;
        }
        assert!(begin.elapsed() < Duration::from_secs(300), "the reset does not get on: {now:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn survive(backend: Backend, replicas: usize) {
    let world = World::new(backend).await;
    let installation = &world.installation;
    let mut servers = vec![Server::start(installation, None).await];
    while servers.len() < replicas {
        let public_url = servers[0].base.clone();
        servers.push(Server::start(installation, Some(&public_url)).await);
    }
    let reset = create_for_all(&world).await;
    let previewed = wait_for(&world, &reset, |now| now.status == MfaResetStatus::AwaitingConfirmation).await;
    let expected = users_per_tenant() as i64 * TENANTS as i64;
    assert_eq!(previewed.counts.pending, expected, "{previewed:?}");
    let (caller, of) = (world.operator(), reset.clone());
    let confirm = move |tx: &mut Tx<'_>| mfa_resets::confirm(tx, &caller, &of, Some(previewed.version));
    world.store.write(&world.tenants[0], confirm).await.unwrap();

    // Killed at moments that nobody chose, while it runs.
    let (mut in_the_middle, kills) = (0, setting("REKEY_RESET_KILLS", 20));
    for number in 0..kills {
        let [dice] = Entropy::System.bytes::<1>();
        tokio::time::sleep(Duration::from_millis(u64::from(dice))).await;
        let victim = number as usize % servers.len();
        servers[victim].kill();
        let progress = world.progress(&reset).await;
        in_the_middle += usize::from(progress > 0 && progress < expected);
        servers[victim].restart(installation).await;
    }
    println!("{in_the_middle} of {kills} kills came between the first user and the last");
    let done = wait_for(&world, &reset, MfaReset::is_over).await;
    assert_eq!((done.status, done.counts.done), (MfaResetStatus::Succeeded, expected), "{done:?}");
    assert_eq!(done.counts.total(), expected);
    drop(servers);
    assert!(in_the_middle * 4 > kills as usize, "only {in_the_middle} kills met a reset that ran");

    for tenant in &world.tenants {
        let of = tenant.clone();
        let (events, left) = world
            .store
            .read(move |tx| {
                let events = audit::chain(tx, &of, None, i64::MAX)?;
                let all = users::list(tx, &of, users::Presence::Present, None, i64::MAX)?;
                let mut left = 0;
                for user in &all {
                    left += methods::of_user(tx, &of, &user.user_id)?.len();
                }
                Ok((events, left))
            })
            .await
            .unwrap();
        let mut resets: BTreeMap<String, usize> = BTreeMap::new();
        for (event, _) in &events {
            if event.activity_display_name == Activity::RESET_MFA.display_name {
                *resets.entry(event.target_id.clone().unwrap()).or_default() += 1;
            }
        }
        assert_eq!(resets.len(), users_per_tenant() as usize, "everybody was reset");
        assert!(resets.values().all(|count| *count == 1), "and nobody twice");
        assert_eq!(left, 0, "no method is left");
    }
    installation.run(&["audit", "verify"]);
}

impl World {
    /// Whoever has the database, on behalf of the first tenant.
    fn operator(&self) -> Caller {
        Caller::operator(self.tenants[0].clone(), Entropy::System.guid())
    }

    /// Users about whom the reset has decided, straight from the database.
    async fn progress(&self, id: &str) -> i64 {
        let (tenant, id) = (self.tenants[0].clone(), rekey::id::MfaResetId::new(id));
        let read = move |tx: &mut Tx<'_>| rekey::store::mfa_resets::parts::totals(tx, &tenant, &[&id]);
        self.store.read(read).await.unwrap().into_values().map(|counts| counts.done).sum()
    }
}

/// A reset of every user of every tenant, made as the command line makes it.
async fn create_for_all(world: &World) -> String {
    let home = world.tenants[0].clone();
    let caller = world.operator();
    let tenants = world.tenants.clone();
    let create = move |tx: &mut Tx<'_>| {
        let id = targets::open(tx, &caller, &Plan { revoke_sign_in_sessions: true, ..Plan::default() })?;
        let select = |tenant: &TenantId| Selection { tenant: Some(tenant.to_string()), filter: None };
        targets::select(tx, &caller, &id, &tenants.iter().map(select).collect::<Vec<_>>())?;
        targets::complete(tx, &caller, &id)
    };
    world.store.write(&home, create).await.unwrap().id.into_string()
}

#[tokio::test]
async fn killed_again_and_again_on_sqlite() {
    survive(Backend::Sqlite, 1).await;
}

#[tokio::test]
async fn killed_again_and_again_on_postgresql() {
    if support::backends().contains(&Backend::Postgres) {
        survive(Backend::Postgres, 2).await;
    }
}
