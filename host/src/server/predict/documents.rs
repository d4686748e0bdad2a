//! The OpenAPI document of what is served, made once for a picture. Answers no request.

use crate::openapi::{self, Described};
use crate::serving::{Routes, Served};
use axum::body::Bytes;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The document of the picture that it was made of.
#[derive(Debug, Default)]
pub(in crate::server) struct Documents(Mutex<Option<(Weak<Routes>, Bytes)>>);

/// A model as its document has it, where its live version is loaded.
pub(super) fn described(served: &Served) -> Option<Described<'_>> {
    let target = served.target(served.serving.live).ok()?;
    Some(Described { name: &served.name, version: target.version.number, card: &target.card, golden: &target.golden })
}

impl Documents {
    /// The document of all models, made once for a picture.
    pub(super) fn of(&self, routes: &Arc<Routes>) -> Bytes {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, json)) = &*kept
            && of.ptr_eq(&Arc::downgrade(routes))
        {
            return json.clone();
        }
        let json = Bytes::from(openapi::prediction(routes.served().filter_map(|served| described(served))).to_string());
        *kept = Some((Arc::downgrade(routes), json.clone()));
        json
    }
}
