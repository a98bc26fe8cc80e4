// The chat page: no framework, no build step.

const find = (id) => document.getElementById(id);
const state = { conversation: null, cursor: null, busy: false, retry: null, failed: null };

class ProblemError extends Error {
  constructor(problem, retryAfter) {
    super(problem.detail || problem.title || "Something went wrong.");
    this.status = problem.status;
    this.retryAfter = retryAfter || problem.retry_after || 0;
  }
}

async function problemOf(response) {
  const retryAfter = Number(response.headers.get("retry-after")) || 0;
  let body = {};
  try {
    body = await response.json();
  } catch {
    body = {};
  }
  // The gateway may answer itself, in one of several forms.
  const detail = body.detail || body.error?.message || body.message || `The server answered ${response.status}.`;
  return new ProblemError({ detail, status: response.status, retry_after: body.retry_after }, retryAfter);
}

async function call(path, options = {}) {
  const headers = { accept: "application/json", ...options.headers };
  if (options.body) headers["content-type"] = "application/json";
  const response = await fetch(path, { credentials: "same-origin", ...options, headers });
  if (!response.ok) throw await problemOf(response);
  return response.status === 204 ? null : response.json();
}

// Server-sent events from a fetch body: EventSource can neither POST nor tell a status.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = { name: "message", data: [] };
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (event.data.length) yield { name: event.name, data: event.data.join("\n") };
        event = { name: "message", data: [] };
      } else if (line.startsWith("event:")) {
        event.name = line.slice(6).trimStart();
      } else if (line.startsWith("data:")) {
        event.data.push(line.slice(5).replace(/^ /, ""));
      }
    }
  }
}

// Conversations

function row(conversation) {
  const title = conversation.title || "Untitled";
  const item = document.createElement("li");
  item.dataset.id = conversation.id;
  const open = document.createElement("button");
  open.className = "open";
  open.type = "button";
  open.textContent = title;
  open.title = title;
  open.addEventListener("click", () => select(conversation));
  const rename = tool("✎", `Rename ${title}`, () => askTitle(conversation));
  const remove = tool("✕", `Delete ${title}`, () => askDelete(conversation));
  item.append(open, rename, remove);
  mark(item);
  return item;
}

function tool(sign, label, action) {
  const button = document.createElement("button");
  button.className = "tool";
  button.type = "button";
  button.textContent = sign;
  button.setAttribute("aria-label", label);
  button.addEventListener("click", action);
  return button;
}

function mark(item) {
  const isCurrent = item.dataset.id === state.conversation;
  item.classList.toggle("current", isCurrent);
  const open = item.querySelector(".open");
  if (isCurrent) open.setAttribute("aria-current", "page");
  else open.removeAttribute("aria-current");
}

function markAll() {
  document.querySelectorAll("#conversations li").forEach(mark);
}

async function list({ older = false } = {}) {
  const cursor = older && state.cursor ? `&cursor=${encodeURIComponent(state.cursor)}` : "";
  const page = await call(`/conversations?limit=30${cursor}`);
  const rows = page.conversations.map(row);
  if (older) find("conversations").append(...rows);
  else find("conversations").replaceChildren(...rows);
  state.cursor = page.next_cursor;
  find("more").hidden = !page.next_cursor;
}

async function select(conversation) {
  if (state.busy) return;
  state.conversation = conversation.id;
  find("title").textContent = conversation.title || "Untitled";
  find("messages").replaceChildren();
  closeMenu();
  markAll();
  hideError();
  await guard(() => loadMessages(conversation.id, null));
  find("question").focus();
}

async function loadMessages(id, cursor) {
  const query = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
  const page = await call(`/conversations/${id}/messages?limit=100${query}`);
  if (state.conversation !== id) return;
  for (const message of page.messages) add(message.role, message.content);
  const button = find("load-messages");
  button.hidden = !page.next_cursor;
  button.onclick = () => guard(() => loadMessages(id, page.next_cursor));
  scroll();
}

function startNew() {
  if (state.busy) return;
  state.conversation = null;
  find("title").textContent = "New conversation";
  find("messages").replaceChildren();
  find("load-messages").hidden = true;
  markAll();
  hideError();
  closeMenu();
  find("question").focus();
}

function answerOf(dialog) {
  return new Promise((resolve) => {
    dialog.returnValue = "cancel";
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
    dialog.showModal();
  });
}

async function askTitle(conversation) {
  const input = find("rename-title");
  input.value = conversation.title || "";
  if ((await answerOf(find("rename"))) !== "save") return;
  await guard(async () => {
    const body = JSON.stringify({ title: input.value });
    const renamed = await call(`/conversations/${conversation.id}`, { method: "PATCH", body });
    if (state.conversation === conversation.id) find("title").textContent = renamed.title || "Untitled";
    await list();
  });
}

async function askDelete(conversation) {
  find("delete-title").textContent = conversation.title || "Untitled";
  if ((await answerOf(find("delete"))) !== "delete") return;
  await guard(async () => {
    await call(`/conversations/${conversation.id}`, { method: "DELETE" });
    if (state.conversation === conversation.id) startNew();
    await list();
  });
}

// Messages

function add(role, text) {
  const item = document.createElement("li");
  item.className = `message ${role}`;
  const who = document.createElement("span");
  who.className = "hidden";
  who.textContent = role === "user" ? "You: " : "Answer: ";
  const content = document.createElement("div");
  content.className = "text";
  content.textContent = text;
  item.append(who, content);
  find("messages").append(item);
  return { item, content };
}

function showSources(item, sources) {
  const named = sources.filter((source) => source.title || source.id);
  if (!named.length) return;
  const box = document.createElement("details");
  box.className = "sources";
  const summary = document.createElement("summary");
  summary.textContent = `${named.length} source${named.length > 1 ? "s" : ""}`;
  const entries = document.createElement("ol");
  for (const source of named) {
    const entry = document.createElement("li");
    entry.textContent = `${source.title || source.id} (${source.score.toFixed(2)})`;
    entries.append(entry);
  }
  box.append(summary, entries);
  item.append(box);
}

function scroll() {
  const messages = find("messages");
  messages.scrollTop = messages.scrollHeight;
}

function isAtEnd() {
  const messages = find("messages");
  return messages.scrollHeight - messages.scrollTop - messages.clientHeight < 80;
}

async function ask(question, key) {
  const asked = add("user", question);
  const answer = add("assistant", "");
  answer.item.classList.add("busy");
  scroll();
  setBusy(true);
  hideError();
  find("status").textContent = "Waiting for the answer…";
  const body = { message: question, stream: true };
  if (state.conversation) body.conversation_id = state.conversation;
  let done = null;
  try {
    const response = await fetch("/chat", {
      method: "POST",
      credentials: "same-origin",
      headers: { "content-type": "application/json", accept: "text/event-stream", "idempotency-key": key },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw await problemOf(response);
    for await (const event of events(response.body)) {
      const data = JSON.parse(event.data);
      if (event.name === "delta") {
        const follow = isAtEnd();
        answer.content.textContent += data.text;
        if (follow) scroll();
      } else if (event.name === "error") {
        throw new ProblemError(data, data.retry_after);
      } else if (event.name === "done") {
        done = data;
      }
    }
    if (!done) throw new ProblemError({ detail: "The connection broke off.", retry_after: 1 });
    answer.content.textContent = done.message.content;
    showSources(answer.item, done.sources);
    const isNew = state.conversation !== done.conversation_id;
    state.conversation = done.conversation_id;
    find("status").textContent = "";
    state.failed = null;
    if (isNew) {
      await list();
      find("title").textContent = document.querySelector("#conversations .current .open")?.textContent || "Conversation";
    }
  } catch (error) {
    // The same key again: if the turn was stored after all, its answer comes back and nothing is said twice.
    if (!done) {
      asked.item.remove();
      answer.item.remove();
      state.failed = { question, key };
      if (!find("question").value) find("question").value = question;
    }
    find("status").textContent = "";
    showError(error);
  } finally {
    answer.item.classList.remove("busy");
    setBusy(false);
    find("question").focus();
    fit();
  }
}

// Errors

function showError(error) {
  clearInterval(state.retry);
  const box = find("error");
  const text = document.createElement("span");
  const message = error instanceof ProblemError ? error.message : "The server cannot be reached.";
  text.textContent = message;
  box.replaceChildren(text);
  box.hidden = false;
  if (!state.failed) return;
  const again = document.createElement("button");
  again.className = "plain";
  again.type = "button";
  box.append(again);
  again.addEventListener("click", () => {
    const failed = state.failed;
    if (!failed || state.busy) return;
    if (find("question").value === failed.question) find("question").value = "";
    ask(failed.question, failed.key);
  });
  let seconds = Math.ceil(error.retryAfter || 0);
  const tick = () => {
    again.disabled = seconds > 0;
    again.textContent = seconds > 0 ? `Try again in ${seconds} s` : "Try again";
    if (seconds <= 0) clearInterval(state.retry);
    seconds -= 1;
  };
  tick();
  state.retry = setInterval(tick, 1000);
}

function hideError() {
  clearInterval(state.retry);
  find("error").hidden = true;
  find("error").replaceChildren();
}

async function guard(action) {
  try {
    await action();
  } catch (error) {
    state.failed = null;
    showError(error);
  }
}

// The page

function setBusy(busy) {
  state.busy = busy;
  find("send").disabled = busy;
  find("new").disabled = busy;
  find("messages").setAttribute("aria-busy", String(busy));
}

function fit() {
  const question = find("question");
  question.style.height = "auto";
  question.style.height = `${question.scrollHeight}px`;
}

function closeMenu() {
  document.body.classList.remove("menu-open");
  find("menu").setAttribute("aria-expanded", "false");
}

find("menu").addEventListener("click", () => {
  const open = document.body.classList.toggle("menu-open");
  find("menu").setAttribute("aria-expanded", String(open));
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeMenu();
});
find("new").addEventListener("click", startNew);
find("more").addEventListener("click", () => guard(() => list({ older: true })));
find("question").addEventListener("input", fit);
find("question").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  find("form").requestSubmit();
});
// randomUUID is not there on pages that came over plain HTTP from another machine.
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
find("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const question = find("question").value.trim();
  if (!question || state.busy) return;
  find("question").value = "";
  fit();
  const failed = state.failed;
  ask(question, failed && failed.question === question ? failed.key : newKey());
});

guard(list);
find("question").focus();
