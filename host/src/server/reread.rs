//! Files that are read again when their content changes: tokens, certificates. What cannot be used changes nothing.

use crate::registry::{Look, Looks, read};
use crate::telemetry::Metrics;
use scry_names::Digest;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks. A content is taken by its second look: one that is being written is left alone.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// Files that belong together, and what takes their texts.
pub(super) struct Reread<T> {
    /// As metrics and the log name them.
    pub(super) name: &'static str,
    pub(super) files: Vec<PathBuf>,
    pub(super) metrics: Arc<Metrics>,
    /// Makes something of the texts.
    pub(super) parse: Parse<T>,
    pub(super) looks: Looks,
}

/// Makes something of the texts of files.
type Parse<T> = Box<dyn Fn(&[String]) -> Result<T, String> + Send + Sync>;

impl<T: Send + 'static> Reread<T> {
    /// What the files hold now. It is in use from now on.
    pub(super) fn read(&mut self) -> Result<T, String> {
        let texts: Vec<_> = self.files.iter().map(|file| read(file)).collect::<Result<_, _>>()?;
        let content = digest(&texts);
        self.looks.see(content);
        self.looks.see(content);
        self.metrics.file_in_use(self.name, true);
        (self.parse)(&texts)
    }

    /// Gives `take` what the files hold, whenever that is new, until the host ends.
    pub(super) async fn follow(self, take: impl Fn(T) + Send + Sync + 'static) {
        let (reread, take) = (Arc::new(self), Arc::new(take));
        let (mut looks, mut failure) = (reread.looks, None);
        loop {
            let (looking, taking) = (reread.clone(), take.clone());
            let looked = tokio::task::spawn_blocking(move || {
                let outcome = looking.look(&mut looks);
                let outcome = outcome.map(|new| new.map(|new| taking(new)).is_some());
                (looks, outcome)
            });
            let Ok((seen, outcome)) = looked.await else {
                tracing::error!(files = reread.name, "reading the files again panicked; this is a bug in scry");
                return;
            };
            looks = seen;
            reread.tell(outcome, &mut failure);
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// One look: something, if the content is new and settled.
    fn look(&self, looks: &mut Looks) -> Result<Option<T>, String> {
        let texts: Result<Vec<_>, _> = self.files.iter().map(|file| read(file)).collect();
        let texts = texts.inspect_err(|_| looks.forget())?;
        match looks.see(digest(&texts)) {
            Look::Settled => (self.parse)(&texts).map(Some),
            Look::Known | Look::New | Look::Unsettled => Ok(None),
        }
    }

    /// Says once what is wrong, and that it no longer is.
    fn tell(&self, outcome: Result<bool, String>, failure: &mut Option<String>) {
        let files = self.name;
        match outcome {
            Ok(false) => {}
            Ok(true) => {
                *failure = None;
                self.metrics.file_in_use(files, true);
                tracing::info!(files, "read, and in use");
            }
            Err(error) => {
                self.metrics.file_in_use(files, false);
                if failure.as_ref() != Some(&error) {
                    tracing::error!(files, %error, "cannot be used; what was read before stays in use");
                    *failure = Some(error);
                }
            }
        }
    }
}

fn digest(texts: &[String]) -> Digest {
    let all: Vec<_> = texts.iter().map(|text| Digest::of(text.as_bytes()).to_string()).collect();
    Digest::of(all.concat().as_bytes())
}
