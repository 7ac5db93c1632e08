//! The tasks of an app, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use towpath_core::{Codecs, Error, Kind, Payload, Result, TaskName};

use crate::context::Context;
use crate::data::DataMap;
use crate::task::{Body, Needs, Task, TaskSettings};

/// A [`Task`] as a trait object: arguments come in and outputs go out as payloads.
pub(crate) trait AnyTask: Send + Sync {
    fn settings(&self) -> &TaskSettings;
    fn needs(&self) -> &Needs;
    fn body(&self, payload: &Payload, codecs: &Codecs, ctx: &Context) -> Result<Body<Payload>>;
}

struct Registered<T> {
    task: T,
    needs: Needs,
}

impl<T: Task> AnyTask for Registered<T> {
    fn settings(&self) -> &TaskSettings {
        self.task.settings()
    }

    fn needs(&self) -> &Needs {
        &self.needs
    }

    fn body(&self, payload: &Payload, codecs: &Codecs, ctx: &Context) -> Result<Body<Payload>> {
        let args = self.task.decode(payload, codecs)?;
        let encoder = ctx.clone();
        Ok(self
            .task
            .body(args, ctx.clone())
            .map(move |ended| ended?.map(|output| Ok(encoder.encode_output(&output)?))))
    }
}

/// The tasks of an app, by name.
#[derive(Clone, Default)]
pub(crate) struct Registry(BTreeMap<TaskName, Arc<dyn AnyTask>>);

impl Registry {
    pub(crate) fn insert<T: Task>(&mut self, task: T) -> Result<()> {
        let settings = task.settings();
        // Queue, codec and limits are checked here too, not at the first submit.
        let name = settings.name()?.clone();
        settings
            .draft(Payload::json("[]"))?
            .check()
            .map_err(|e| e.about(format!("task {name:?}")))?;
        if self.0.contains_key(&name) {
            return Err(Error::new(
                Kind::TaskNameCollision,
                format!("two tasks are named {name:?}; give one of them another name"),
            ));
        }
        let mut needs = Needs::default();
        task.requires(&mut needs);
        self.0.insert(name, Arc::new(Registered { task, needs }));
        Ok(())
    }

    pub(crate) fn get(&self, name: &TaskName) -> Option<&Arc<dyn AnyTask>> {
        self.0.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TaskName, &Arc<dyn AnyTask>)> {
        self.0.iter()
    }

    /// Refuses to go on when a task asks for data that the app was not given.
    pub(crate) fn check_data(&self, data: &DataMap) -> Result<()> {
        for (name, task) in self.iter() {
            if let Some((_, missing)) = task.needs().iter().find(|(id, _)| !data.has(*id)) {
                return Err(Error::new(
                    Kind::MissingData,
                    format!(
                        "task {name:?} takes Data<{missing}>, which the app was not given; add .data(…)"
                    ),
                ));
            }
        }
        Ok(())
    }
}
