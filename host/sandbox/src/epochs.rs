//! Advances the engines' epochs at each tick, so that overdue guests are noticed.

use scry_os::ticker::{Tick, Ticker};
use std::sync::{Arc, Weak};
use wasmtime::Engine;

/// The epochs of a sandbox's engines.
#[derive(Debug)]
pub(super) struct Epochs {
    ticker: Arc<Ticker>,
    engines: [Engine; 2],
}

impl Epochs {
    /// Has them advanced for as long as this exists.
    pub(super) fn advance(ticker: Arc<Ticker>, engines: [Engine; 2]) -> Arc<Self> {
        let epochs = Arc::new(Self { ticker, engines });
        let tick: Weak<dyn Tick> = Arc::<Self>::downgrade(&epochs);
        epochs.ticker.add(tick);
        epochs
    }

    /// A guest runs.
    pub(super) fn keep_on(&self) {
        self.ticker.keep_on();
    }
}

impl Tick for Epochs {
    fn tick(&self) -> bool {
        self.engines.iter().for_each(Engine::increment_epoch);
        // A guest that runs says so itself.
        false
    }
}
