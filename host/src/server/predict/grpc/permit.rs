//! What a call's token may do. Which model is meant stands in the message, which the guard does not read.

use crate::access::{Admitted, Caller, Need, Refusal, Surface};
use crate::server::error::HttpError;
use crate::server::predict::state::Shared;
use axum::http::Request;

/// What the guard found; nothing where the listener asks for no token.
#[derive(Debug, Clone)]
pub(super) struct Permit(Option<Admitted>);

impl Permit {
    /// As the guard found it.
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        Self(request.extensions().get().cloned())
    }

    /// Whether the token is enough for this.
    pub(super) fn check(&self, app: &Shared, need: Need) -> Result<(), HttpError> {
        self.told(app, |caller| caller.check(need))
    }

    /// One more request of the token's rate: the guard has counted the call alone.
    pub(super) fn one_more(&self, app: &Shared) -> Result<(), HttpError> {
        self.told(app, Caller::one_more)
    }

    fn told(&self, app: &Shared, ask: impl FnOnce(&Caller) -> Result<(), Refusal>) -> Result<(), HttpError> {
        let Some(admitted) = &self.0 else { return Ok(()) };
        let caller = admitted.0.as_ref().ok_or(Refusal::Unauthenticated(Surface::Prediction));
        caller.and_then(ask).map_err(|refusal| {
            app.predictor.metrics().access_refused(Surface::Prediction.name(), refusal.reason());
            refusal.into()
        })
    }
}
