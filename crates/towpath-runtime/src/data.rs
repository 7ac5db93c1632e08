//! Data shared by the handlers of an app: pools, clients, settings.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Shared data of an app, taken by a handler as a parameter.
///
/// Hand the value to [`App::data`](crate::App::data) once; every handler that takes a `Data<T>` gets
/// the same one. A worker whose app lacks a `T` that one of its tasks takes does not start.
pub struct Data<T>(Arc<T>);

impl<T> Deref for Data<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for Data<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: fmt::Debug> fmt::Debug for Data<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T> From<T> for Data<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(value))
    }
}

/// The shared data of an app, by type.
#[derive(Clone, Default)]
pub(crate) struct DataMap(HashMap<TypeId, (&'static str, Arc<dyn Any + Send + Sync>)>);

impl DataMap {
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: Arc<T>) {
        self.0.insert(TypeId::of::<T>(), (type_name::<T>(), value));
    }

    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<Data<T>> {
        let (_, value) = self.0.get(&TypeId::of::<T>())?;
        value.clone().downcast().ok().map(Data)
    }

    pub(crate) fn has(&self, id: TypeId) -> bool {
        self.0.contains_key(&id)
    }
}

impl fmt::Debug for DataMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.values().map(|(name, _)| name))
            .finish()
    }
}
