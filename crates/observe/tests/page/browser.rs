//! A headless browser, told what to do over pipes in the protocol of its developer tools.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Nothing is waited for longer; the test fails instead.
const PATIENCE_MS: u32 = 300_000;

/// A browser with one page. It ends when it is dropped.
pub struct Browser {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    session: Option<String>,
    last_number: u64,
    /// What went wrong in the page by itself.
    pub complaints: Vec<String>,
}

impl Browser {
    /// Starts one that keeps its files in `folder`; none where no Chromium is installed, and then it says that `test` is
    /// passed over.
    pub fn start(test: &str, folder: &Path) -> Option<Self> {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path)
            .flat_map(|folder| names.map(|name| folder.join(name)))
            .find(|program| program.is_file());
        let Some(program) = found else {
            println!("skipped: {test}: no Chromium is installed");
            return None;
        };
        // It takes commands from descriptor 3, and answers on descriptor 4.
        let mut process = Command::new("sh")
            .arg("-c")
            .arg("exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1")
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
            .args([
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--remote-debugging-pipe",
                "--lang=en-US",
            ])
            .arg(format!("--user-data-dir={}", folder.display()))
            .arg("about:blank")
            .env("HOME", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell starts");
        let commands = process.stdin.take().expect("it was piped");
        let answers = BufReader::new(process.stdout.take().expect("it was piped"));
        let (session, complaints) = (None, Vec::new());
        let mut browser = Self { process, commands, answers, session, last_number: 0, complaints };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        browser.call("Runtime.enable", json!({}));
        browser.call("Page.enable", json!({}));
        browser.call("DOM.enable", json!({}));
        Some(browser)
    }

    /// Calls a method, and returns its result, or what it says against it.
    fn try_call(&mut self, method: &str, parameters: Value) -> Result<Value, String> {
        self.last_number += 1;
        let mut command = json!({ "id": self.last_number, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        self.commands
            .write_all(format!("{command}\0").as_bytes())
            .expect("the browser takes commands");
        loop {
            let mut message = Vec::new();
            self.answers.read_until(0, &mut message).expect("the browser answers");
            assert_eq!(message.pop(), Some(0), "the browser has ended");
            let message: Value = serde_json::from_slice(&message).expect("it speaks JSON");
            if message["method"] == "Runtime.exceptionThrown" {
                self.complaints.push(message["params"].to_string());
            }
            if message["id"] == json!(self.last_number) {
                return match message.get("error") {
                    Some(error) => Err(error.to_string()),
                    None => Ok(message["result"].clone()),
                };
            }
        }
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.try_call(method, parameters).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Goes to an address, and waits until the page is there.
    #[track_caller]
    pub fn go(&mut self, address: &str) {
        // Another part of the same page would not be loaded anew.
        self.call("Page.navigate", json!({ "url": "about:blank" }));
        self.call("Page.navigate", json!({ "url": address }));
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// What an expression is worth in the page.
    #[track_caller]
    pub fn ask(&mut self, expression: &str) -> Value {
        self.try_ask(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    fn try_ask(&mut self, expression: &str) -> Result<Value, String> {
        let asked =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.try_call("Runtime.evaluate", asked)?;
        match answer.get("exceptionDetails") {
            Some(details) => Err(details.to_string()),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// The text of the element with this `id`.
    #[track_caller]
    pub fn text(&mut self, id: &str) -> String {
        let text = self.ask(&format!("document.getElementById('{id}').textContent"));
        text.as_str().expect("it is there").to_owned()
    }

    /// Presses the button with this `id`.
    #[track_caller]
    pub fn press(&mut self, id: &str) {
        self.ask(&format!("document.getElementById('{id}').click()"));
    }

    /// Waits until a condition holds in the page.
    #[track_caller]
    pub fn until(&mut self, condition: &str) {
        let wait = format!(
            "new Promise((resolve) => {{
               const end = Date.now() + {PATIENCE_MS};
               const look = () => {{
                 const holds = {condition};
                 if (holds || Date.now() > end) resolve(holds); else setTimeout(look, 20);
               }};
               look();
             }})"
        );
        // A page that is left takes the question with it.
        loop {
            match self.try_ask(&wait) {
                Ok(holds) => {
                    assert_eq!(holds, Value::Bool(true), "it has not come about: {condition}");
                    return;
                }
                Err(error) => {
                    let words = ["context", "navigated", "Inspected"];
                    let is_left = words.iter().any(|word| error.contains(word));
                    assert!(is_left, "{condition}: {error}");
                }
            }
        }
    }

    /// Presses a key in the page.
    pub fn key(&mut self, key: &str, code: &str) {
        for kind in ["keyDown", "keyUp"] {
            let pressed = json!({ "type": kind, "key": key, "code": code });
            self.call("Input.dispatchKeyEvent", pressed);
        }
    }

    /// Gives the input for files with this `id` a file.
    pub fn give_file(&mut self, id: &str, path: &Path) {
        let document = self.call("DOM.getDocument", json!({}));
        let wanted = json!({ "nodeId": document["root"]["nodeId"], "selector": format!("#{id}") });
        let node = self.call("DOM.querySelector", wanted);
        self.call(
            "DOM.setFileInputFiles",
            json!({ "nodeId": node["nodeId"], "files": [path.display().to_string()] }),
        );
    }

    /// Gives the page a size, and the colours of this scheme.
    pub fn look(&mut self, width: u32, height: u32, scheme: &str) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let feature = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": feature }));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
