//! What is measured: a model of this tool, or a server that a command line starts.

use overlapped_models::models;

use crate::exit::Usage;

/// A server that takes part in the comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contender {
    /// The name it has in every form of the result.
    pub name: String,
    /// Program and arguments; None for a model of this tool, which the name then names.
    pub command: Option<Vec<String>>,
}

impl Contender {
    /// A model of this tool.
    pub fn model(name: &str) -> Self {
        Self { name: name.to_owned(), command: None }
    }

    /// Reads `NAME=COMMAND`. Words of the command are quoted as in a shell, but no shell runs it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, command) =
            text.split_once('=').ok_or("give NAME=COMMAND, as in mine='./echo --threads 1'")?;
        let words = shlex::split(command).ok_or("a quotation mark is missing in the command")?;
        if name.trim().is_empty() || words.is_empty() {
            return Err("give a name and a command, as in mine='./echo --threads 1'".to_owned());
        }
        Ok(Self { name: name.trim().to_owned(), command: Some(words) })
    }

    /// Whether it has a thread for each of its connections, as far as it is known.
    pub fn has_a_thread_per_connection(&self) -> bool {
        self.command.is_none()
            && overlapped_models::model(&self.name)
                .is_some_and(|model| model.has_a_thread_per_connection())
    }
}

/// Program and arguments.
pub type Command = Vec<String>;

/// Reads a command, whose words are quoted as in a shell.
pub fn command(text: &str) -> Result<Command, String> {
    match shlex::split(text) {
        Some(words) if !words.is_empty() => Ok(words),
        Some(_) => Err("give a command".to_owned()),
        None => Err("a quotation mark is missing in the command".to_owned()),
    }
}

/// The models of the names that are asked for, in the order of the models crate, and the servers after
/// them. Without any name these are all models, and none beside servers.
pub fn chosen(asked: &[String], servers: &[Contender]) -> anyhow::Result<Vec<Contender>> {
    let known = || models().iter().map(|model| model.name());
    if let Some(stranger) = asked.iter().find(|asked| !known().any(|name| name == *asked)) {
        let names = known().collect::<Vec<_>>().join(", ");
        return Err(Usage(format!("there is no model '{stranger}'; the models are {names}")).into());
    }
    let all = asked.is_empty() && servers.is_empty();
    let mut chosen: Vec<Contender> = known()
        .filter(|name| all || asked.iter().any(|it| it == name))
        .map(Contender::model)
        .collect();
    for server in servers {
        if chosen.iter().any(|other| other.name == server.name) {
            return Err(Usage(format!("two servers are called '{}'", server.name)).into());
        }
        chosen.push(server.clone());
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(chosen: anyhow::Result<Vec<Contender>>) -> Vec<String> {
        chosen.expect("a choice").into_iter().map(|contender| contender.name).collect()
    }

    #[test]
    fn a_command_is_split_as_a_shell_would() {
        let contender = Contender::parse("a=./b --c 'd e' f=g").expect("a command");
        assert_eq!(contender.name, "a");
        assert_eq!(contender.command.expect("words"), ["./b", "--c", "d e", "f=g"]);
        for wrong in ["a", "a=", "=b", "a='b"] {
            assert!(Contender::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn models_are_measured_beside_servers_only_when_they_are_named() {
        let server = Contender::parse("mine=echo").expect("a command");
        assert_eq!(names(chosen(&[], std::slice::from_ref(&server))), ["mine"]);
        let asked = ["select".to_owned(), "completion-port".to_owned()];
        let both = names(chosen(&asked, std::slice::from_ref(&server)));
        assert_eq!(
            both,
            names(chosen(&asked, &[])).into_iter().chain(["mine".into()]).collect::<Vec<_>>()
        );
        assert_eq!(names(chosen(&[], &[])).len(), models().len());
        assert!(chosen(&[], &[server.clone(), server]).is_err(), "two of one name");
    }
}
