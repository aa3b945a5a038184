//! What rules mean, as a table; and random rules and requests beside a model that looks at everything each time.

use proptest::prelude::*;
use torc_resp::{Args, Span};

use super::rule::RuleError;
use super::*;
use crate::command::{Command, Databases, Flags, registry};
use crate::glob::{self, Case};

/// Lets a check see a request in words.
fn with_request<T>(request: &str, check: impl FnOnce(Args<'_>) -> T) -> T {
    let (mut bytes, mut spans) = (Vec::new(), Vec::new());
    for word in request.split(' ') {
        spans.push(Span { start: bytes.len() as u32, len: word.len() as u32 });
        bytes.extend_from_slice(word.as_bytes());
    }
    check(Args::new(&bytes, &spans))
}

fn user(rules: &str) -> User {
    let mut user = User::new(b"u", false);
    let words: Vec<&[u8]> = rules.split(' ').map(str::as_bytes).collect();
    apply_words(&mut user, &words, false).expect("the rules are right");
    user
}

fn check(user: &User, request: &str, db: u16) -> Result<(), Denial> {
    with_request(request, |args| user.check(registry().find(args).expect("it is a command"), args, db))
}

fn denied(rules: &str, request: &str) -> Option<Lacking> {
    check(&user(rules), request, 0).err().map(|denial| denial.lacking)
}

#[test]
fn rights_to_commands_and_keys() {
    use Lacking::{Command, Key};
    let cases = [
        ("+get ~a*", "get a1", None),
        ("+get ~a*", "get b1", Some(Key)),
        ("+get ~a*", "set a1 x", Some(Command)),
        ("-@all ~*", "get a", Some(Command)),
        ("-@all", "auth x", None),
        ("+@all %R~a", "get a", None),
        ("+@all %R~a", "set a 1", Some(Key)),
        ("+@all %W~a", "set a 1", None),
        ("+@all %W~a", "set a 1 get", Some(Key)),
        ("+@all %W~a", "get a", Some(Key)),
        ("+@all %W~a", "exists a", None),
        ("+@all %W~a", "exists b", Some(Key)),
        ("+@all %RW~a", "set a 1 get", None),
        ("+@all %R~a %W~a", "set a 1 get", None),
        ("+@all %R~a %W~b", "copy a b", None),
        ("+@all %R~a %W~b", "copy b a", Some(Key)),
        ("+@all %R~a %W~b", "rename a b", Some(Key)),
        ("+@all ~a %W~b", "rename a b", None),
        ("+@all %R~a %W~d", "sort a store d", None),
        ("+@all %R~a %W~d", "sort d store a", Some(Key)),
        ("+@all %R~a", "eval return 1 a", Some(Key)),
        ("+@all %R~a", "eval_ro return 1 a", None),
        ("+@all ~a", "eval x 1 b", Some(Key)),
        ("+@all ~a", "mget a b", Some(Key)),
        ("+@all ~a", "zunionstore a 2 a b", Some(Key)),
        ("+config|get", "config get x", None),
        ("+config|get", "config set x y", Some(Command)),
        ("+config -config|set", "config get x", None),
        ("+config -config|set", "config set x y", Some(Command)),
        ("+@all -config", "config get x", Some(Command)),
        ("+select|0", "select 0", None),
        ("+select|0", "select 1", Some(Command)),
        ("+select|0 -select", "select 0", Some(Command)),
    ];
    assert_all(&cases);
}

#[test]
fn rights_to_channels_and_databases_and_by_selectors() {
    use Lacking::{Channel, Command, Database, Key};
    let cases = [
        ("+publish &a*", "publish a1 x", None),
        ("+publish &a*", "publish b x", Some(Channel)),
        ("+publish", "publish b x", Some(Channel)),
        ("+psubscribe &a*", "psubscribe a*", None),
        ("+psubscribe &a*", "psubscribe a1", Some(Channel)),
        ("+subscribe &a*", "subscribe a1 b", Some(Channel)),
        ("+ssubscribe &a*", "ssubscribe a1", None),
        ("+unsubscribe", "unsubscribe b", None),
        ("+@all allkeys db=1", "get a", Some(Database)),
        ("+@all allkeys db=0,1", "get a", None),
        ("+@all allkeys db=0", "select 1", Some(Database)),
        ("+@all allkeys db=1", "select 1", None),
        ("+@all allkeys db=0", "select x", None),
        ("+@all allkeys db=0", "move a 1", Some(Database)),
        ("+@all allkeys db=0", "copy a b db 1", Some(Database)),
        ("+@all allkeys db=0", "copy a b replace", None),
        ("+@all allkeys db=0", "swapdb 0 1", Some(Database)),
        ("+@all allkeys db=1,2", "swapdb 1 2", None),
        ("+@all allkeys db=0", "flushall", Some(Database)),
        ("+@all allkeys db=0", "flushdb", None),
        ("+@all allkeys db=1", "dbsize", Some(Database)),
        ("+@all allkeys resetdbs", "get a", Some(Database)),
        ("+@all allkeys resetdbs", "ping", None),
        ("+@all allkeys resetdbs alldbs", "get a", None),
        ("+get ~a (+set ~b)", "set b 1", None),
        ("+get ~a (+set ~b)", "set a 1", Some(Key)),
        ("+get ~a (+set ~b)", "del a", Some(Command)),
        ("(+get ~a) (+get ~b)", "get b", None),
        ("(+mget ~a) (+mget ~b)", "mget a b", Some(Key)),
        ("+get ~a (+set ~b) clearselectors", "set b 1", Some(Command)),
    ];
    assert_all(&cases);
}

/// Rules, a request, and what is lacking for it.
fn assert_all(cases: &[(&str, &str, Option<Lacking>)]) {
    for &(rules, request, lacking) in cases {
        assert_eq!(denied(rules, request), lacking, "{request} by {rules}");
    }
}

#[test]
fn rules_are_described_as_redis_does() {
    let cases = [
        ("", "off sanitize-payload resetchannels -@all"),
        ("on nopass +@all ~* &*", "on nopass sanitize-payload ~* &* +@all"),
        (
            "%R~b* ~a* +@read +CONFIG|GET +select|0",
            "off sanitize-payload %R~b* ~a* resetchannels -@all +@read +config|get +select|0",
        ),
        ("%R~a %W~a", "off sanitize-payload ~a resetchannels -@all"),
        ("+config|get +config|set -config", "off sanitize-payload resetchannels -@all -config"),
        ("+@all -get +get", "off sanitize-payload resetchannels +@all +get"),
        ("+@read -@read +@read", "off sanitize-payload resetchannels -@all +@read"),
        ("db=2,1,2", "off sanitize-payload resetchannels db=1,2 -@all"),
        ("db=1 resetdbs", "off sanitize-payload resetchannels resetdbs -@all"),
        (
            "(~a +get) (&b)",
            "off sanitize-payload resetchannels -@all (~a resetchannels -@all +get) (resetchannels &b -@all)",
        ),
        ("skip-sanitize-payload &a &b", "off skip-sanitize-payload resetchannels &a &b -@all"),
    ];
    for (rules, described) in cases {
        let user = user(rules);
        assert_eq!(String::from_utf8_lossy(&user.describe()), described, "{rules}");
        let again = self::user(described);
        assert_eq!(again.describe(), user.describe(), "what is described is read as it was");
    }
}

#[test]
fn passwords_are_added_and_removed() {
    let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    let user = user(&format!("on >other #{hash} >secret >secret"));
    assert_eq!(user.passwords().count(), 2);
    assert!(user.accepts(b"secret") && user.accepts(b"other") && !user.accepts(b""));
    let mut less = user.clone();
    less.apply(b"<other", false).unwrap();
    assert!(!less.accepts(b"other"));
    assert_eq!(less.apply(b"<other", false), Err(RuleError::NoSuchPassword));
    assert_eq!(less.apply(format!("!{hash}").as_bytes(), false), Ok(()));
    less.apply(b"nopass", false).unwrap();
    assert!(less.accepts(b"whatever"));
    less.apply(b"off", false).unwrap();
    assert!(!less.accepts(b"whatever"));
    assert!(!format!("{user:?}").contains("2bb80d"), "hashes are not for logs");
}

#[test]
fn wrong_rules_are_told_apart() {
    let long = format!("!{}", "a".repeat(64));
    let cases = [
        ("+foo", RuleError::UnknownCommand),
        ("-get|x", RuleError::UnknownCommand),
        ("+config|foo", RuleError::UnknownCommand),
        ("+select|0|1", RuleError::UnknownCommand),
        ("+@foo", RuleError::UnknownCommand),
        ("+config|get|x", RuleError::ArgumentOfSubcommand),
        ("+config|", RuleError::Syntax),
        ("%~a", RuleError::Syntax),
        ("%RX~a", RuleError::Syntax),
        ("%RWW~a", RuleError::Syntax),
        ("blah", RuleError::Syntax),
        ("(on)", RuleError::Syntax),
        ("(>x)", RuleError::Syntax),
        ("(+foo)", RuleError::UnknownCommand),
        ("(~* ~a)", RuleError::AllKeys),
        ("~a b", RuleError::Syntax),
        ("&a b", RuleError::Syntax),
        ("#12", RuleError::NoHash),
        ("!12", RuleError::NoHash),
        ("<nope", RuleError::NoSuchPassword),
        (&long, RuleError::NoSuchPassword),
        ("db=", RuleError::Syntax),
        ("db=1,,2", RuleError::Syntax),
        ("db=-1", RuleError::DatabaseRange),
        ("db=3000000000", RuleError::DatabaseRange),
    ];
    for (rule, error) in cases {
        let mut user = User::new(b"u", false);
        assert_eq!(user.apply(rule.as_bytes(), false), Err(error), "{rule}");
    }
    let mut all = user("allkeys allchannels");
    assert_eq!(all.apply(b"~x", false), Err(RuleError::AllKeys));
    assert_eq!(all.apply(b"&x", false), Err(RuleError::AllChannels));
}

#[test]
fn files_are_read_as_a_whole_or_not_at_all() {
    let users = Users::default();
    let file = b"# users\r\n\nuser alice on >a ~* +@all\r\nuser bob off (+get ~b)\n";
    let loaded = users.of_file(file, "f", false).expect("it is right");
    let names: Vec<&[u8]> = loaded.iter().map(|user| user.name()).collect();
    assert_eq!(names, [b"alice".as_slice(), b"bob", b"default"]);
    let text: Vec<u8> = loaded.lines().flat_map(|line| [line, b"\n".to_vec()].concat()).collect();
    let again = loaded.of_file(&text, "f", false).expect("what is written can be read");
    assert!(again.lines().eq(loaded.lines()));
    assert_eq!(again.find(b"bob").unwrap().id(), loaded.find(b"bob").unwrap().id(), "who stays keeps their id");
    let wrong =
        users.of_file(b"user a +foo\nuser b on\nuser b off\nfoo\nuser c (x", "/f", false).expect_err("it is wrong");
    assert_eq!(
        String::from_utf8_lossy(&wrong),
        "/f:1: Unknown command or category name in ACL. WARNING: Duplicate user 'b' found on line 3. /f:4: line should start \
         with user keyword. /f:5: Unmatched parenthesis in selector definition. WARNING: ACL errors detected, no change to the \
         previously active ACL rules was performed"
    );
}

#[test]
fn ids_are_not_used_twice() {
    let mut users = Users::default();
    let first = users.put(User::new(b"a", false)).id();
    assert!(users.remove(b"a") && !users.remove(b"a"));
    assert!(users.limited(first).is_some_and(|user| denied_everything(&user)), "who is gone has no rights");
    assert_ne!(users.put(User::new(b"a", false)).id(), first);
    assert!(users.limited(0).is_none(), "the default user may do everything");
    users.set_default_password(b"x");
    assert!(users.default_user().accepts(b"x") && !users.default_user().is_open());
    assert!(users.limited(0).is_none());
}

fn denied_everything(user: &User) -> bool {
    registry().all().all(|command| {
        let args = vec!["1"; command.row.arity.unsigned_abs() as usize].join(" ");
        command.row.flags.has(Flags::NO_AUTH) || with_request(&args, |args| user.check(command, args, 0).is_err())
    })
}

#[test]
fn denials_that_are_alike_are_one() {
    let mut log = DenialLog::default();
    let mut add = |object: &str, now_ms: i64| {
        let entry = LogEntry {
            count: 1,
            reason: Reason::Lacking(Lacking::Key),
            context: DenialContext::TopLevel,
            object: object.into(),
            user: b"u".to_vec(),
            client: String::new(),
            id: 0,
            created_ms: now_ms,
            updated_ms: now_ms,
        };
        log.add(entry, 1, 3);
    };
    add("a", 0);
    add("b", 1);
    add("a", 2);
    add("a", 100_000);
    add("c", 100_001);
    add(&"d".repeat(5000), 100_002);
    let shown: Vec<_> = log.entries().map(|entry| (entry.object.len(), entry.count, entry.id & 0xff)).collect();
    assert_eq!(shown, [(1024, 1, 4), (1, 1, 3), (1, 1, 2)], "the oldest are forgotten");
    assert_eq!(log.denied[Lacking::Key as usize], 6);
}

/// A rule of a selector, as the model has it.
#[derive(Clone, Debug)]
enum ModelRule {
    AllCommands(bool),
    Command(&'static str, bool),
    Category(&'static str, bool),
    Keys(String, bool, bool),
    AllKeys(bool),
    Channels(String),
    AllChannels(bool),
    Databases(Option<Vec<u32>>),
}

impl ModelRule {
    fn word(&self) -> String {
        let sign = |allows: &bool| if *allows { '+' } else { '-' };
        match self {
            ModelRule::AllCommands(allows) => format!("{}@all", sign(allows)),
            ModelRule::Command(name, allows) => format!("{}{name}", sign(allows)),
            ModelRule::Category(name, allows) => format!("{}@{name}", sign(allows)),
            ModelRule::Keys(pattern, true, true) => format!("~{pattern}"),
            ModelRule::Keys(pattern, true, false) => format!("%R~{pattern}"),
            ModelRule::Keys(pattern, ..) => format!("%W~{pattern}"),
            ModelRule::AllKeys(true) => "allkeys".to_owned(),
            ModelRule::AllKeys(false) => "resetkeys".to_owned(),
            ModelRule::Channels(pattern) => format!("&{pattern}"),
            ModelRule::AllChannels(true) => "allchannels".to_owned(),
            ModelRule::AllChannels(false) => "resetchannels".to_owned(),
            ModelRule::Databases(None) => "alldbs".to_owned(),
            ModelRule::Databases(Some(list)) if list.is_empty() => "resetdbs".to_owned(),
            ModelRule::Databases(Some(list)) => {
                format!("db={}", list.iter().map(u32::to_string).collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// Whether these rules, one after another, allow a request: found by going through all of them for each question.
fn model_allows(rules: &[ModelRule], request: &str, db: u16) -> bool {
    with_request(request, |args| {
        let command = registry().find(args).expect("it is a command");
        (model_allows_command(rules, command) || command.row.flags.has(Flags::NO_AUTH))
            && model_allows_keys(rules, command, args)
            && model_allows_channels(rules, command, args)
            && model_allows_databases(rules, command, args, db)
    })
}

fn model_allows_command(rules: &[ModelRule], command: &Command) -> bool {
    let (container, _) = command.full_name.split_once('|').unwrap_or((command.full_name, ""));
    let container_row = registry().find_name(container.as_bytes()).expect("it is registered").row;
    let says = |rule: &ModelRule| match rule {
        ModelRule::AllCommands(allows) => Some(*allows),
        ModelRule::Command(name, allows) => (*name == command.full_name || *name == container).then_some(*allows),
        ModelRule::Category(name, allows) => {
            // A category of a container is one of all of its subcommands, and then what they say themselves.
            let is_in = [command.row, container_row].iter().any(|row| has_category(row, name.as_bytes()));
            is_in.then_some(*allows)
        }
        _ => None,
    };
    rules.iter().filter_map(says).next_back().unwrap_or(false)
}

/// Whether the last rule that says so allows all, and the rules behind it.
fn since_reset(rules: &[ModelRule], is_reset: impl Fn(&ModelRule) -> Option<bool>) -> (bool, &[ModelRule]) {
    let last = rules.iter().enumerate().rev().find_map(|(at, rule)| Some((at, is_reset(rule)?)));
    last.map_or((false, rules), |(at, all)| (all, &rules[at..]))
}

fn model_allows_keys(rules: &[ModelRule], command: &Command, args: Args<'_>) -> bool {
    let (all, rules) = since_reset(rules, |rule| if let ModelRule::AllKeys(all) = rule { Some(*all) } else { None });
    let of_keys = || {
        rules.iter().filter_map(|rule| match rule {
            ModelRule::Keys(pattern, reads, writes) => Some((pattern, *reads, *writes)),
            _ => None,
        })
    };
    all || command.row.keys_with_flags(args).all(|(index, flags)| {
        let wanted = Access::of(flags);
        of_keys().any(|(pattern, ..)| {
            let may_read = of_keys().any(|(other, reads, _)| other == pattern && reads);
            let may_write = of_keys().any(|(other, _, writes)| other == pattern && writes);
            glob::matches(pattern.as_bytes(), args.get(index), Case::Sensitive)
                && (may_read || !wanted.has(Access::READ))
                && (may_write || !wanted.has(Access::WRITE))
        })
    })
}

fn model_allows_channels(rules: &[ModelRule], command: &Command, args: Args<'_>) -> bool {
    let (all, rules) =
        since_reset(rules, |rule| if let ModelRule::AllChannels(all) = rule { Some(*all) } else { None });
    let Some(spec) = command.row.channels.filter(|_| !all) else { return true };
    let end = if spec.is_list { args.len() } else { spec.first + 1 };
    (spec.first..end).all(|index| {
        rules.iter().any(|rule| match rule {
            ModelRule::Channels(pattern) if spec.are_patterns => pattern.as_bytes() == args.get(index),
            ModelRule::Channels(pattern) => glob::matches(pattern.as_bytes(), args.get(index), Case::Sensitive),
            _ => false,
        })
    })
}

fn model_allows_databases(rules: &[ModelRule], command: &Command, args: Args<'_>, db: u16) -> bool {
    let last = rules.iter().rev().find_map(|rule| match rule {
        ModelRule::Databases(list) => Some(list.clone()),
        _ => None,
    });
    let Some(list) = last.flatten() else { return true };
    match command.row.databases {
        Databases::All => false,
        Databases::Selected => {
            let number = str::from_utf8(args.get(1)).unwrap().parse::<u32>();
            number.map_or(true, |number| list.contains(&number))
        }
        Databases::Current => !command.row.concerns_data() || list.contains(&u32::from(db)),
        Databases::Named(_) => unreachable!("it is not drawn"),
    }
}

fn rule() -> impl Strategy<Value = ModelRule> {
    let pattern =
        || prop::sample::select(&["a", "a*", "*", "b?", "[ab]*", "ab", "long-prefix:*"][..]).prop_map(str::to_owned);
    let command =
        prop::sample::select(&["get", "set", "config", "config|get", "mget", "publish", "psubscribe", "auth"][..]);
    let category =
        prop::sample::select(&["read", "write", "fast", "slow", "string", "pubsub", "admin", "keyspace"][..]);
    let databases =
        prop::option::of(prop::collection::btree_set(0u32..3, 0..3).prop_map(|set| set.into_iter().collect()));
    prop_oneof![
        1 => any::<bool>().prop_map(ModelRule::AllCommands),
        4 => (command, any::<bool>()).prop_map(|(name, allows)| ModelRule::Command(name, allows)),
        4 => (category, any::<bool>()).prop_map(|(name, allows)| ModelRule::Category(name, allows)),
        4 => (pattern(), 1u8..4).prop_map(|(text, access)| match (&*text, access) {
            ("*", 3) => ModelRule::AllKeys(true),
            _ => ModelRule::Keys(text, access & 1 != 0, access & 2 != 0),
        }),
        1 => any::<bool>().prop_map(ModelRule::AllKeys),
        2 => pattern().prop_map(|text| match &*text {
            "*" => ModelRule::AllChannels(true),
            _ => ModelRule::Channels(text),
        }),
        1 => any::<bool>().prop_map(ModelRule::AllChannels),
        1 => databases.prop_map(ModelRule::Databases),
    ]
}

const REQUESTS: &[&str] = &[
    "get a",
    "get ab",
    "get long-prefix:1",
    "set b1 x",
    "set a x get",
    "mget a b1 ab",
    "config get x",
    "config set x y",
    "exists ab",
    "publish a x",
    "publish zz x",
    "psubscribe a* b?",
    "subscribe a ab",
    "auth x",
    "select 1",
    "select 2",
    "dbsize",
    "ping",
    "sort a store b1",
    "flushall",
    "eval x 1 a",
];

proptest! {
    #[test]
    fn rules_allow_what_a_naive_model_allows(
        selectors in prop::collection::vec(prop::collection::vec(rule(), 0..12), 1..4),
        db in 0u16..3,
    ) {
        let mut user = User::new(b"u", false);
        let mut in_force: Vec<Vec<ModelRule>> = Vec::new();
        for (number, rules) in selectors.iter().enumerate() {
            // A pattern where everything is allowed is refused, and changes nothing.
            let mut selector = Selector::empty();
            let rules: Vec<ModelRule> = rules.iter().filter(|rule| selector.apply(rule.word().as_bytes()).is_ok()).cloned().collect();
            let words: Vec<String> = rules.iter().map(ModelRule::word).collect();
            match number {
                0 => for word in &words {
                    user.apply(word.as_bytes(), false).unwrap();
                },
                _ => user.apply(format!("({})", words.join(" ")).as_bytes(), false).unwrap(),
            }
            in_force.push(rules);
        }
        let described = user.describe();
        let words: Vec<&[u8]> = described.split(|&byte| byte == b' ').collect();
        let mut again = User::new(b"u", false);
        apply_words(&mut again, &words, false).unwrap();
        for request in REQUESTS {
            let wanted = in_force.iter().any(|rules| model_allows(rules, request, db));
            prop_assert_eq!(check(&user, request, db).is_ok(), wanted, "{}", request);
            prop_assert_eq!(check(&user, request, db), check(&again, request, db), "described: {}", request);
        }
        if user.is_unrestricted() {
            prop_assert!(REQUESTS.iter().all(|request| check(&user, request, db).is_ok()));
        }
    }
}
