//! Which shared data a task will ask for.

use std::any::TypeId;

/// The shared data that a task will ask for, by type.
#[derive(Debug, Default)]
pub struct Needs(Vec<(TypeId, &'static str)>);

impl Needs {
    /// The task asks for [`Data<T>`](crate::Data).
    pub fn data<T: Send + Sync + 'static>(&mut self) {
        self.0.push((TypeId::of::<T>(), std::any::type_name::<T>()));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (TypeId, &'static str)> {
        self.0.iter().copied()
    }
}
