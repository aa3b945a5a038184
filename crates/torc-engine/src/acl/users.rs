//! All users, as one core has them; every core has the same. And how they are read from files, and written to them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::rule::{RuleError, has_blank, join_selectors};
use super::user::{DEFAULT_USER, HOST_ID, User};
use crate::config::Config;

/// A `user` line of the configuration: the name and the rules, as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserLine {
    /// The name.
    pub name: Vec<u8>,
    /// What makes the user of a new one.
    pub rules: Vec<Vec<u8>>,
}

/// All users.
#[derive(Clone, Debug)]
pub struct Users {
    by_name: BTreeMap<Box<[u8]>, Arc<User>>,
    by_id: HashMap<u32, Arc<User>>,
    default: Arc<User>,
    /// The id of the next user that is new; no id is used twice.
    next_id: u32,
    /// Grows with each change.
    version: u64,
}

impl Default for Users {
    fn default() -> Self {
        Users::with_default(User::open_default(), 1)
    }
}

impl Users {
    fn with_default(default: User, next_id: u32) -> Self {
        let mut users =
            Users { by_name: BTreeMap::new(), by_id: HashMap::new(), default: Arc::new(default), next_id, version: 0 };
        users.insert(Arc::clone(&users.default));
        users
    }

    /// Those of a configuration, without those of its `aclfile`: what `requirepass` and the lines `user` say.
    ///
    /// # Errors
    /// A line makes no user, though each could: with `acl-pubsub-default allchannels` nothing is to be added to all channels.
    pub fn of_config(config: &Config) -> Result<Self, String> {
        let mut default = User::open_default();
        default.set_only_password(config.requirepass.as_bytes());
        let mut users = Users::with_default(default, 1);
        for line in &config.acl.users {
            let user =
                build(line, config.acl.acl_pubsub_default.allows_all()).map_err(|error| declaration_error(&error))?;
            users.put(user);
        }
        Ok(users)
    }

    /// Reads a whole file of users, which replace those there are. Who keeps their name keeps their id.
    ///
    /// # Errors
    /// All that is wrong with it, in Redis's words; `path` is how they call the file.
    pub fn of_file(&self, content: &[u8], path: &str, all_channels: bool) -> Result<Users, Vec<u8>> {
        let version = self.version + 1;
        let mut users = Users { by_name: BTreeMap::new(), by_id: HashMap::new(), version, ..self.clone() };
        users.default = Arc::new(User::open_default());
        let mut errors = Vec::new();
        for (line, number) in content.split(|&byte| byte == b'\n').zip(1..) {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            match read_line(line, all_channels) {
                Ok(user) if users.by_name.contains_key(user.name()) => errors.push(
                    [b"WARNING: Duplicate user '", user.name(), format!("' found on line {number}. ").as_bytes()]
                        .concat(),
                ),
                Ok(mut user) => {
                    user.id = users.id_of(self.find(user.name()));
                    users.insert(Arc::new(user));
                }
                Err(error) => errors.push(format!("{path}:{number}: {error}. ").into_bytes()),
            }
        }
        if !errors.is_empty() {
            let last = b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
            errors.push(last.to_vec());
            return Err(errors.concat());
        }
        match users.find(DEFAULT_USER).map(Arc::clone) {
            Some(default) => users.default = default,
            None => users.insert(Arc::clone(&users.default)),
        }
        Ok(users)
    }

    /// Another number after each change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The user of this name.
    pub fn find(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.by_name.get(name)
    }

    /// The user with this id.
    pub fn by_id(&self, id: u32) -> Option<&Arc<User>> {
        self.by_id.get(&id)
    }

    /// Whose rights a user with this id has; `None`: everything is allowed. Who is gone has none.
    pub fn limited(&self, id: u32) -> Option<Arc<User>> {
        if id == self.default.id && self.default.is_unrestricted() {
            return None;
        }
        let user = match self.by_id.get(&id) {
            Some(user) => Arc::clone(user),
            None if id == HOST_ID => return None,
            None => Arc::new(User::new(b"(deleted)", false)),
        };
        (!user.is_unrestricted()).then_some(user)
    }

    /// The user of connections that have not logged in.
    pub fn default_user(&self) -> &Arc<User> {
        &self.default
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<User>> {
        self.by_name.values()
    }

    /// A user is another one now, or is new, and has its id from here on.
    pub fn put(&mut self, mut user: User) -> Arc<User> {
        user.id = self.id_of(self.find(user.name()).map(Arc::clone).as_ref());
        let user = Arc::new(user);
        self.insert(Arc::clone(&user));
        user
    }

    /// There is no such user any more. False: there was none.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        assert!(name != DEFAULT_USER, "there always is a default user");
        self.version += 1;
        let removed = self.by_name.remove(name);
        removed.inspect(|user| drop(self.by_id.remove(&user.id))).is_some()
    }

    /// `requirepass` has changed.
    pub fn set_default_password(&mut self, password: &[u8]) {
        let mut user = User::clone(&self.default);
        user.set_only_password(password);
        self.put(user);
    }

    /// All of them as lines of a file.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = Vec<u8>> {
        self.iter().map(|user| [b"user ", user.name(), b" ", &user.describe()].concat())
    }

    /// Bytes that they take.
    pub fn memory_bytes(&self) -> usize {
        self.iter().map(|user| user.memory_bytes()).sum()
    }

    fn id_of(&mut self, known: Option<&Arc<User>>) -> u32 {
        if let Some(known) = known {
            return known.id;
        }
        self.next_id += 1;
        self.next_id - 1
    }

    fn insert(&mut self, user: Arc<User>) {
        self.version += 1;
        if user.name() == DEFAULT_USER {
            self.default = Arc::clone(&user);
        }
        self.by_id.insert(user.id, Arc::clone(&user));
        self.by_name.insert(user.name().into(), user);
    }
}

/// Applies the words behind a user's name to it.
///
/// # Errors
/// In Redis's words, with the word that is wrong.
pub fn apply_words(user: &mut User, words: &[&[u8]], all_channels: bool) -> Result<(), WordError> {
    let words = join_selectors(words).map_err(|index| WordError::Unmatched(words[index].to_vec()))?;
    for word in words {
        user.apply(&word, all_channels).map_err(|error| WordError::Rule(word, error))?;
    }
    Ok(())
}

/// What is wrong with the words of ACL SETUSER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WordError {
    /// This word opens a selector that nothing closes.
    Unmatched(Vec<u8>),
    /// This word is wrong.
    Rule(Vec<u8>, RuleError),
}

/// Whether a line of the configuration makes a user, beside those of the lines before it.
///
/// # Errors
/// In Redis's words.
pub fn check_line(before: &[UserLine], line: &UserLine) -> Result<(), String> {
    if has_blank(&line.name) {
        return Err("Usernames can't contain spaces or null characters".to_owned());
    }
    if before.iter().any(|known| known.name == line.name) {
        return Err(format!("Error in user declaration '{}': {}", lossy(&line.name), RuleError::Duplicate.text()));
    }
    build(line, false).map_or_else(|error| Err(declaration_error(&error)), |_| Ok(()))
}

/// What is wrong with a line `user`, in Redis's words.
fn declaration_error(error: &WordError) -> String {
    match error {
        WordError::Unmatched(word) => {
            format!("Error in user declaration '{}': Unmatched parenthesis in selector definition", lossy(word))
        }
        WordError::Rule(word, error) => {
            // A password does not go into the log.
            let shown = if matches!(word.first(), Some(b'>' | b'<')) { "(redacted)".to_owned() } else { lossy(word) };
            format!("Error in user declaration '{shown}': {}", error.text())
        }
    }
}

fn build(line: &UserLine, all_channels: bool) -> Result<User, WordError> {
    let mut user = if line.name == DEFAULT_USER {
        let mut user = User::open_default();
        user.apply(b"reset", all_channels).expect("it is a rule");
        user
    } else {
        User::new(&line.name, all_channels)
    };
    let words: Vec<&[u8]> = line.rules.iter().map(Vec::as_slice).collect();
    apply_words(&mut user, &words, all_channels)?;
    Ok(user)
}

/// A line of a file of users.
fn read_line(line: &[u8], all_channels: bool) -> Result<User, String> {
    // Words stand between single blanks; nothing is quoted.
    let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let (keyword, rest) = words.split_first().expect("a line that is split has a word");
    let Some((name, rules)) = rest.split_first().filter(|_| *keyword == b"user") else {
        return Err("line should start with user keyword".to_owned());
    };
    if has_blank(name) {
        return Err(format!("username '{}' contains invalid characters", lossy(name)));
    }
    let rules: Vec<&[u8]> = rules.iter().map(|word| word.trim_ascii()).collect();
    let mut user = User::new(name, all_channels);
    match apply_words(&mut user, &rules, all_channels) {
        Ok(()) => Ok(user),
        Err(WordError::Unmatched(_)) => Err("Unmatched parenthesis in selector definition".to_owned()),
        Err(WordError::Rule(_, error)) => Err(error.text().to_owned()),
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
