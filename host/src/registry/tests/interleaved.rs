//! Several changes at once, on a real registry with real components. Each change
//! stops before each of its steps, and a random schedule picks the one that goes
//! on. Only that thread runs, so a schedule gives the same result in every run.

use super::guest;
use crate::config::Config;
use crate::registry::pace::{self, Step};
use crate::registry::{Changed, Registry, Source};
use crate::serving::{FallbackLink, Served};
use crate::telemetry::Metrics;
use proptest::prelude::*;
use scry_catalog::{
    Catalog, Deployment, Fallback, LimitsPatch, Reference, Serving, ShadowRequest, Step as Share, VersionRef,
};
use scry_sandbox::{CompileSettings, Sandbox, SandboxSettings};
use scry_signatures::TrustedKeys;
use scry_store::Store;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::ScopedJoinHandle;
use tempfile::TempDir;

/// Versions of `m` at the start; the first is the only one whose callers send two inputs.
const VERSIONS: u32 = 5;
const WIDE: u32 = 1;

/// A request of an operator.
#[derive(Debug, Clone)]
enum Ask {
    Deploy { to: u32, limits: LimitsPatch, allow_breaking: bool },
    Alias(u32),
    Canary(u32),
    Promote,
    Shadow(u32),
    Fallback(u32),
    Publish(u8),
    RollBack,
    Restore(u64),
    Withdraw,
    Clean,
}

fn asks() -> impl Strategy<Value = Ask> {
    // Other deadlines have to be proved anew, and code without fuel is other code.
    let limits = (0..3u64, 0..3u64).prop_map(|(more_ms, fuel)| LimitsPatch {
        deadline_ms: Some(60_000 + more_ms),
        fuel: [None, Some(0), Some(1 << 40)][fuel as usize],
        ..LimitsPatch::default()
    });
    let to = 1..=VERSIONS;
    let deploy = (to.clone(), limits, prop::bool::weighted(0.3));
    prop_oneof![
        8 => deploy.prop_map(|(to, limits, allow_breaking)| Ask::Deploy { to, limits, allow_breaking }),
        2 => to.clone().prop_map(Ask::Alias),
        2 => to.clone().prop_map(Ask::Canary),
        1 => Just(Ask::Promote),
        1 => to.clone().prop_map(Ask::Shadow),
        1 => to.prop_map(Ask::Fallback),
        2 => (0..3u8).prop_map(Ask::Publish),
        2 => Just(Ask::RollBack),
        1 => (1..12u64).prop_map(Ask::Restore),
        1 => Just(Ask::Withdraw),
        1 => Just(Ask::Clean),
    ]
}

impl Ask {
    /// What is asked of `m`, but for the fallback, which `other` gets. An error is an answer.
    fn of(&self, registry: &Registry) -> Option<Changed> {
        let by = "test";
        let deploy = |to: Option<u32>, deployment: Deployment| {
            let to = to.map(|to| Source::Version(VersionRef::Number(to)));
            registry.deploy(by, "m", to, &deployment).ok()
        };
        match *self {
            Self::Deploy { to, limits, allow_breaking } => {
                deploy(Some(to), Deployment { limits, allow_breaking, ..Deployment::default() })
            }
            Self::Alias(to) => {
                let aliases = [("champion".to_owned(), VersionRef::Number(to))].into();
                deploy(None, Deployment { aliases, ..Deployment::default() })
            }
            Self::Canary(to) => {
                let canary = Some(vec![Share { percent: 50.0, hold_s: None }]);
                deploy(Some(to), Deployment { canary, ..Deployment::default() })
            }
            Self::Promote => deploy(None, Deployment { promote: true, ..Deployment::default() }),
            Self::Shadow(to) => {
                let shadow = Some(ShadowRequest { to: VersionRef::Number(to), percent: 50.0 });
                deploy(None, Deployment { shadow, ..Deployment::default() })
            }
            Self::Fallback(to) => {
                let link = Reference { model: "m".into(), version: Some(VersionRef::Number(to)) };
                let fallback = Some(vec![Fallback::Model(link)]);
                registry.deploy(by, "other", None, &Deployment { fallback, ..Deployment::default() }).ok()
            }
            Self::Publish(n) => registry.publish(by, guest::component(100.0 + f64::from(n), false), None, None).ok(),
            Self::RollBack => registry.roll_back(by, "m", None).ok(),
            Self::Restore(to) => registry.restore(by, to).ok().and(None),
            Self::Withdraw => registry.withdraw(by, "m").ok().and(None),
            Self::Clean => registry.clean(false).ok().and(None),
        }
    }

    /// Makes a deployment's limits its own, in a way that no gate depends on.
    fn tag(&mut self, tag: usize) {
        if let Self::Deploy { limits, .. } = self {
            limits.queue_max = Some(100 + tag);
        }
    }

    fn may_break(&self) -> bool {
        matches!(self, Self::Deploy { allow_breaking: true, .. } | Self::RollBack | Self::Restore(_))
    }
}

fn config() -> Config {
    let mut config = Config::default();
    // New versions are not kept ready.
    config.catalog.versions_warm = 0;
    config.limits.in_flight_max = 1;
    config
}

fn opened(dir: &Path) -> Registry {
    let settings = SandboxSettings {
        instances_max: 2,
        instances_ahead_max: 0,
        memory_max_bytes: 1 << 30,
        compile: CompileSettings::trusting(),
        is_embedded: false,
    };
    let store = Store::open(dir).unwrap();
    Registry::open(
        config(),
        TrustedKeys::default(),
        store,
        Sandbox::new(settings).unwrap(),
        Arc::new(Metrics::new().unwrap()),
    )
    .unwrap()
}

/// A folder with all versions, compiled with fuel and without; version 2 of `m` is live.
fn template() -> &'static Path {
    static MADE: OnceLock<TempDir> = OnceLock::new();
    MADE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let registry = opened(dir.path());
        let off = LimitsPatch { fuel: Some(0), ..LimitsPatch::default() };
        let allowed = Deployment { allow_breaking: true, ..Deployment::default() };
        for number in 1..=VERSIONS {
            let published = registry.publish("test", guest::component(f64::from(number), number == WIDE), None, None);
            assert_eq!(published.unwrap().version, number);
            let to = || Some(Source::Version(VersionRef::Number(number)));
            registry.deploy("test", "m", to(), &Deployment { limits: off, ..allowed.clone() }).unwrap();
        }
        registry.publish("test", guest::component(50.0, false), Some("other"), None).unwrap();
        let on = LimitsPatch { fuel: Some(1 << 40), ..LimitsPatch::default() };
        let to = Some(Source::Version(VersionRef::Number(2)));
        registry.deploy("test", "m", to, &Deployment { limits: on, ..allowed }).unwrap();
        drop(registry);
        dir
    })
    .path()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() { copy(&path, &to) } else { std::fs::copy(&path, &to).map(drop).unwrap() }
    }
}

/// An operator, on a thread that goes one step at a time.
struct Actor<'scope> {
    go: Sender<()>,
    stopped: Receiver<()>,
    thread: ScopedJoinHandle<'scope, ()>,
}

impl Actor<'_> {
    /// One step. Whether there may be another.
    fn step(&self) -> bool {
        self.go.send(()).is_ok() && self.stopped.recv().is_ok()
    }
}

/// Requests with their answers.
type Answers = Sender<(Ask, Option<Changed>)>;

fn actor<'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    registry: &'scope Registry,
    asks: &'scope [Ask],
    answers: Answers,
) -> Actor<'scope> {
    let ((go, told), (stops, stopped)) = (channel(), channel());
    let thread = scope.spawn(move || {
        // A test that has failed drops its end: then the thread runs to its end.
        let _ = told.recv();
        pace::hold(move |_: Step| {
            let _ = stops.send(());
            let _ = told.recv();
        });
        for ask in asks {
            let _ = answers.send((ask.clone(), ask.of(registry)));
        }
    });
    Actor { go, stopped, thread }
}

/// All that a picture leads requests to is loaded, and was proved under the limits that it has.
fn check_picture(registry: &Registry) {
    let routes = registry.routes().load_full();
    let state = registry.lock();
    for (name, served) in &routes.models {
        for number in served.serving.routed() {
            let target = served.target(number).unwrap_or_else(|why| panic!("{name}@{number}: {why}"));
            let key = (name.clone(), target.version.digest, served.limits);
            assert_eq!(target.version, routes.catalog.model(name).unwrap().version(name, number).unwrap());
            assert!(state.bench.is_proved(&key), "{name}@{number} was not proved under {:?}", served.limits);
        }
        for link in served.fallback.iter().chain(&served.canary_fallback) {
            assert!(!matches!(link, FallbackLink::Unavailable(_)), "{name}: {link:?}");
        }
    }
}

/// A picture that is made anew is the one that changes have led to.
fn check_made_anew(registry: &Registry) {
    let shown = || {
        let routes = registry.routes().load_full();
        let of = |served: &Served| {
            let versions: Vec<_> =
                served.versions.iter().map(|(number, target)| (*number, target.as_ref().map(|_| ()))).collect();
            let links = format!(
                "{:?}",
                [&served.fallback, &served.canary_fallback].map(|chain| chain.iter().map(link).collect::<Vec<_>>())
            );
            format!("{:?} {versions:?} {links} {:?}", served.serving, served.shadow.is_some())
        };
        let models: BTreeMap<_, _> = routes.served().map(|served| (served.name.clone(), of(served))).collect();
        let called: Vec<_> = routes.all_called().map(|(name, number, _)| (name.clone(), number)).collect();
        (models, called)
    };
    let incremental = shown();
    let catalog = registry.catalog();
    registry.take_over(&mut registry.lock(), catalog.clone(), catalog.models.keys().cloned().collect());
    assert_eq!(incremental, shown());
}

fn link(link: &FallbackLink) -> String {
    match link {
        FallbackLink::Version { target, .. } => format!("{}@{}", target.model, target.version.number),
        other => format!("{other:?}"),
    }
}

/// What an answer says was passed, in the state that it says it led to.
fn check_answer(registry: &Registry, ask: &Ask, changed: &Changed) {
    let state = |number: u64| registry.lock().history.state(number);
    let (Ok(before), Ok(after)) = (state(changed.number - 1), state(changed.number)) else { return };
    let serving = |catalog: &Catalog| catalog.models.get("m").and_then(|model| model.serving.clone());
    let (Some(was), Some(is)) = (serving(&before), serving(&after)) else { return };
    // A change that changed nothing led to no state of its own.
    if changed.model != "m" || was == is || !is_made_by(ask, &is) {
        return;
    }
    let passed = |gate: &str, version: u32| -> Vec<&str> {
        let all = changed.gates.iter().filter(|passed| passed.gate == gate && passed.version == version);
        all.map(|passed| passed.note.as_str()).collect()
    };
    assert!(!passed("golden", is.live).is_empty(), "{changed:?}");
    if was.live != is.live {
        let of_what_it_replaced = format!("callers of version {}", was.live);
        let compared = passed("schema", is.live);
        assert!(compared.iter().any(|note| note.contains(&of_what_it_replaced)), "{was:?} {changed:?}");
    }
    for gate in changed.gates.iter().filter(|gate| gate.gate == "schema") {
        let old =
            gate.note.split("callers of version ").nth(1).map_or("", |rest| rest.split([' ', ',']).next().unwrap());
        let known = was.routed().chain(is.routed()).map(|number| number.to_string());
        assert!(known.into_iter().any(|number| number == old), "of a state that never was: {gate:?} {was:?}");
    }
}

/// Whether it was a deployment that led to a state, and not another change.
fn is_made_by(ask: &Ask, is: &Serving) -> bool {
    matches!(ask, Ask::Deploy { limits, .. } if is.limits.queue_max == limits.queue_max)
}

/// Callers are broken only where that was allowed.
fn check_history(registry: &Registry, told: &[(Ask, Option<Changed>)], from: u64) {
    let allowed: Vec<u64> = told
        .iter()
        .filter(|(ask, _)| ask.may_break())
        .filter_map(|(_, changed)| Some(changed.as_ref()?.number))
        .collect();
    let state = registry.lock();
    for change in state.history.changes().filter(|change| change.number > from) {
        let live = |number: u64| {
            let catalog = state.history.state(number).ok()?;
            Some(catalog.models.get("m")?.serving.as_ref()?.live)
        };
        let (Some(was), Some(is)) = (live(change.number - 1), live(change.number)) else { continue };
        let is_free =
            change.restored.is_some() || allowed.contains(&change.number) || change.what.contains("--promote");
        assert!(is != WIDE || was == WIDE || is_free, "{} breaks callers of {was}", change.what);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]
    /// After every step, all that is routed is loaded and was proved as it is served. The gates that an
    /// answer names hold for the state that it led to.
    #[test]
    fn in_every_interleaving_what_is_routed_is_loaded_and_proved(
        mut asked in prop::collection::vec(prop::collection::vec(asks(), 1..4), 2..5),
        schedule in prop::collection::vec(any::<prop::sample::Index>(), 64),
    ) {
        for (tag, ask) in asked.iter_mut().flatten().enumerate() {
            ask.tag(tag);
        }
        let dir = tempfile::tempdir().unwrap();
        copy(template(), dir.path());
        let registry = opened(dir.path());
        let from = registry.lock().history.last();
        check_picture(&registry);
        let (answers, answered) = channel();
        let mut told = Vec::new();
        std::thread::scope(|scope| {
            let mut actors: Vec<_> =
                asked.iter().map(|asks| actor(scope, &registry, asks, answers.clone())).collect();
            for turn in schedule.iter().cycle() {
                if actors.is_empty() {
                    break;
                }
                let at = turn.index(actors.len());
                if !actors[at].step() {
                    let ended = actors.swap_remove(at);
                    assert!(ended.thread.join().is_ok());
                }
                check_picture(&registry);
                for (ask, changed) in answered.try_iter() {
                    if let Some(changed) = &changed {
                        check_answer(&registry, &ask, changed);
                    }
                    told.push((ask, changed));
                    check_made_anew(&registry);
                }
            }
        });
        check_history(&registry, &told, from);
        // Whatever went before, a change that has the registry to itself is made.
        let lone = Ask::Deploy { to: 1, limits: LimitsPatch::default(), allow_breaking: true };
        prop_assert!(lone.of(&registry).is_some_and(|changed| changed.version == 1 && changed.live));
        check_picture(&registry);
        check_made_anew(&registry);
        // Nothing is left of what failed: the store holds what the history names.
        let wanted = registry.wanted(&registry.catalog(), &registry.lock().history);
        for (digest, _) in registry.store.list_components().unwrap() {
            prop_assert!(wanted.contains(&digest) || registry.catalog().binds(&digest));
        }
    }
}
