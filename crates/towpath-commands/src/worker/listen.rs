//! What a worker listens to, as it is written on the command line and told to people.

use towpath_core::{QueueName, TaskName};
use towpath_runtime::Listen;

/// Reads `QUEUE=TASK,TASK`. Names that hold these signs can only be listened to by `--queues`.
pub(super) fn subset(text: &str) -> Result<(QueueName, Vec<TaskName>), String> {
    let (queue, tasks) = text
        .split_once('=')
        .ok_or("write QUEUE=TASK,TASK, such as mail=send,receive")?;
    let queue = QueueName::new(queue).map_err(|e| e.to_string())?;
    let tasks = tasks
        .split(',')
        .map(TaskName::new)
        .collect::<Result<Vec<_>, _>>();
    Ok((queue, tasks.map_err(|e| e.to_string())?))
}

/// What is meant by the two flags; without either, everything.
pub(super) fn of(queues: &[QueueName], subset: &[(QueueName, Vec<TaskName>)]) -> Listen {
    if !subset.is_empty() {
        Listen::Tasks(subset.to_vec())
    } else if !queues.is_empty() {
        Listen::Queues(queues.to_vec())
    } else {
        Listen::All
    }
}

/// For people.
pub(super) fn in_words(listen: &Listen) -> String {
    match listen {
        Listen::All => "all queues".to_owned(),
        Listen::Queues(queues) => {
            let names: Vec<_> = queues.iter().map(QueueName::as_str).collect();
            let s = if names.len() == 1 { "" } else { "s" };
            format!("queue{s} {}", names.join(", "))
        }
        Listen::Tasks(subset) => {
            let tasks = |tasks: &[TaskName]| {
                let names: Vec<_> = tasks.iter().map(TaskName::as_str).collect();
                names.join(",")
            };
            let parts: Vec<_> = subset
                .iter()
                .map(|(queue, names)| format!("{queue}={}", tasks(names)))
                .collect();
            parts.join(" ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsets_keep_their_order() {
        let (queue, tasks) = subset("mail=send,receive").unwrap();
        assert_eq!(queue.as_str(), "mail");
        assert_eq!(
            tasks.iter().map(TaskName::as_str).collect::<Vec<_>>(),
            ["send", "receive"]
        );
        assert_eq!(in_words(&of(&[], &[(queue, tasks)])), "mail=send,receive");
        for bad in ["mail", "=send", "mail=", "mail=a,,b"] {
            assert!(subset(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_said_is_everything() {
        assert_eq!(of(&[], &[]), Listen::All);
        let queues = [QueueName::new("a").unwrap(), QueueName::new("b").unwrap()];
        assert_eq!(in_words(&of(&queues, &[])), "queues a, b");
    }
}
