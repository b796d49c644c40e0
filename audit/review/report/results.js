// Shows what a search found, in words.
const pair = (term, ...said) => [element("dt", "", term), element("dd", "", ...said)];
const button = (text, act) => {
  const made = element("button", "", text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
};
// A list of which the first entries are shown, and the rest on demand.
const listOf = (entries, most, draw) => {
  const list = element("ul", "inline", ...entries.slice(0, most).map((entry) => element("li", "", draw(entry))));
  if (entries.length <= most) return list;
  const more = button(`and ${number(entries.length - most)} more`, () => {
    list.append(...entries.slice(most, most + NAMES).map((entry) => element("li", "", draw(entry))));
    more.replaceWith(entries.length > most + NAMES ? ` and ${number(entries.length - most - NAMES)} more` : "");
  });
  return element("span", "", list, " ", more);
};
const placeOf = (index, entry) => {
  const place = element("span", "place", index.kinds[entry.kind][0]);
  if (entry.location !== null) place.append(" · ", nameOf(entry.location));
  if (Object.keys(index.orgs).length > 1) place.append(" · ", nameOf(index.orgs[entry.org] ?? entry.org));
  return place;
};
const titleOf = (index, entry) => {
  const page = pageOf(index, entry);
  const title = element(page ? "a" : "span", "", nameOf(entry.name));
  if (page) Object.assign(title, { href: page, target: "_blank", rel: "noreferrer noopener" });
  return element("h4", "", title);
};
const counted = (count, one, many) => `${number(count)} ${count === 1 ? one : many}`;
const whoListens = (index, room, found, most) => room.others
  ? [element("b", "", `${room.others[0].toUpperCase()}${room.others.slice(1)}.`), " By Push-to-Talk: ", ...byPushToTalk(index, room, found, most)]
  : byPushToTalk(index, room, found, most);
const byPushToTalk = (index, room, found, most) => {
  const members = [...room.members].sort((one, two) => found.matched.has(two) - found.matched.has(one));
  const draw = (place) => {
    const person = index.people[place];
    const shown = element(found.matched.has(place) ? "mark" : "span", "", nameOf(person.name, "(unnamed)"));
    if (person.email) shown.append(" (", nameOf(person.email), ")");
    return shown;
  };
  const names = () => members.length ? listOf(members, most, draw) : "";
  const can = { listens: "can listen", perhaps: "may be able to listen", speaks: "can speak into it, not listen" }[room.direction];
  const lines = counted(members.length, "line", "lines");
  const why = room.direction === "perhaps" ? [" The direction is unclear: ", nameOf(room.connection), "."] : [];
  const start = room.direction === "speaks" ? "Nobody can listen: it is one-way. " : "";
  switch (room.reach) {
    case "none": return ["not known: no settings were read."];
    case "off": return ["Nobody: its Push-to-Talk is off.", ...(members.length ? [" On its list: ", names()] : [])];
    case "nobody": return ["Nobody: its list of allowed lines is empty."];
    case "everybody": return members.length ? [`${start}Everyone ${can}, but these ${lines}: `, names(), ...why]
      : [`${start}Everyone ${can}: its list of blocked lines is empty.`, ...why];
    case "members": return [`${start}Only ${members.length === 1 ? "this line" : `these ${lines}`} ${can}: `, names(), ...why];
    default: return [`${start}Unclear who ${can}: `, nameOf(room.access), ". On its list: ", names(), ...why];
  }
};
const roomResult = (index, room, found, most) => element("li", "", titleOf(index, room), placeOf(index, room), element("dl", "",
  ...pair("Who can listen", ...whoListens(index, room, found, most)),
  ...(room.device ? pair("Device", room.device) : []),
  ...pair("Since", room.since ? nameOf(room.since) : "not known: this report compares with no earlier snapshot"),
  ...pair("Approved", room.approval ? nameOf(room.approval) : "not known: no snapshot was approved")));
const unreadResult = (index, room) => element("li", "", titleOf(index, room), placeOf(index, room),
  element("p", "", "No settings: ", nameOf(room.outcome)));
// The rooms of a person by what the person can do there; rooms that anyone can call are rooms of the whole organization.
const personResult = (index, person, found, most) => {
  const open = (index.open[person.org] ?? []).filter((room) => !person.rooms.includes(room));
  const named = (...reaches) => person.rooms.filter((room) => reaches.includes(room.reach));
  const by = (rooms, direction) => rooms.filter((room) => room.direction === direction);
  const draw = (room) => element("span", "", nameOf(room.name), ...(room.location === null ? [] : [" (", nameOf(room.location), ")"]));
  const line = (term, rooms) => rooms.length ? pair(term, element("b", "", number(rooms.length)), ": ", listOf(rooms, most, draw)) : [];
  const shown = element("h4", "", nameOf(person.name, "(unnamed)"));
  if (person.email) shown.append(element("span", "mail", nameOf(person.email)));
  const facts = [person.numbers.join(", "), Object.keys(index.orgs).length > 1 ? index.orgs[person.org] : ""].filter(Boolean);
  const details = element("dl", "",
    ...line("Can listen into, by name", by(named("members"), "listens")),
    ...line("Can listen into, as anyone can", by(open, "listens")),
    ...line("May be able to listen into", [...by(named("members"), "perhaps"), ...by(open, "perhaps"), ...named("unclear")]),
    ...line("Can only speak into, by name", by(named("members"), "speaks")),
    ...line("Can only speak into, as anyone can", by(open, "speaks")),
    ...line("Blocked in", named("everybody")),
    ...line("On the list of rooms whose Push-to-Talk is off", named("off")));
  return element("li", "", shown, element("span", "place", nameOf(facts.join(" · "), "no number")), details);
};
const group = (title, entries, draw) => {
  if (!entries.length) return [];
  const list = element("ol", "results");
  const add = () => {
    const from = list.children.length;
    const next = entries.slice(from, from + RESULTS);
    const most = Math.max(10, Math.floor(NAMES / next.length));
    list.append(...next.map((entry) => draw(entry, most)));
    const left = entries.length - list.children.length;
    more.hidden = !left;
    more.textContent = `Show ${number(Math.min(left, RESULTS))} more of ${number(entries.length)}`;
  };
  const more = button("", add);
  add();
  return [element("h3", "", title), list, more];
};
const sharesOf = (index, found) => {
  const kinds = Object.entries(index.kinds).map(([kind, [, many]]) => {
    const count = (rooms) => rooms.reduce((sum, room) => sum + (room.kind === kind), 0);
    return [count(found.rooms), count(index.rooms), many];
  }).filter(([, all]) => all).reverse();
  const shares = [...kinds, [found.people.length, index.people.length, "people"]];
  if (!kinds.length) return `Nothing is known: no settings were read; ${number(found.unread.length)} of ${number(index.unread.length)} without settings`;
  const unread = found.unread.length ? `; ${number(found.unread.length)} more without settings` : "";
  return shares.map(([some, all, what]) => `${number(some)} of ${number(all)} ${what}`).join(", ") + unread;
};
const anyoneElse = (index) => {
  const open = Object.values(index.open).flat();
  const heard = open.filter((room) => room.direction === "listens").length;
  return open.length ? [element("p", "left-out", `Beyond the lists, ${open.length === 1 ? "1 opens" : `${number(open.length)} open`} for anyone in the same organization who is not blocked there; in ${number(heard)} the caller can listen.`)] : [];
};
const results = (index, found) => [
  ...group("Rooms and phones", found.rooms, (room, most) => roomResult(index, room, found, most)),
  ...group("Without settings", found.unread, (room) => unreadResult(index, room)),
  ...group("People", found.people, (person, most) => personResult(index, person, found, most)),
  ...anyoneElse(index),
];
// Without the index, the search covers the rows of the page, and says so.
const shownRows = (id) => [...document.querySelectorAll(`#${id} > tbody > tr`)].map((row) => [fold(row.textContent), row]);
const searchShown = (query) => {
  const words = wordsOf(query);
  const tables = [["rooms", "room-table"], ["people", "person-table"]].map(([what, id]) => {
    const rows = shownRows(id);
    return [what, rows.length, rows.filter(([text]) => words.every((word) => text.includes(word))).map(([, row]) => row)];
  });
  const said = tables.map(([what, all, rows]) => `${number(rows.length)} of ${number(all)} ${what}`).join(", ");
  const drawn = tables.flatMap(([what, , rows]) => group(what === "rooms" ? "Rooms and phones" : "People", rows,
    (row) => element("li", "", ...[...row.cells].map((cell) => element("div", "", ...[...cell.cloneNode(true).childNodes])))));
  return [`${said} in the part shown in this page`, drawn];
};
for (const box of document.querySelectorAll("[role=search]")) {
  const packed = document.getElementById("search-index");
  const [input, status, shown] = ["input", "[role=status]", ".search-results"].map((each) => box.querySelector(each));
  const canUnpack = packed && typeof DecompressionStream === "function";
  let index = null;
  const load = () => {
    index ??= (canUnpack ? unpack(packed.content.textContent) : Promise.resolve(null)).catch(() => null);
    return index;
  };
  const search = async () => {
    const query = input.value;
    if (!wordsOf(query).length) { status.textContent = ""; shown.replaceChildren(); return; }
    if (!box.dataset.ready) status.textContent = "Searching…";
    const all = await load();
    box.dataset.ready = "yes";
    if (query !== input.value) return;
    const found = all && find(all, query);
    const [said, drawn] = all ? [sharesOf(all, found), results(all, found)] : searchShown(query);
    status.textContent = said;
    shown.replaceChildren(...drawn);
  };
  box.hidden = false;
  input.addEventListener("focus", load);
  input.addEventListener("input", search);
}
