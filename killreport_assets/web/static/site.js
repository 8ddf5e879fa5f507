"use strict";
// Two conveniences; every page works without them: new killmails are announced, and times can be local.

const live = document.getElementById("live");
if (live && window.EventSource) {
  let count = 0;
  const feed = new EventSource(live.dataset.feed);
  feed.addEventListener("killmail", () => {
    count += 1;
    live.hidden = false;
    live.setAttribute("role", "status");
    live.textContent = `${count} new killmail${count === 1 ? "" : "s"} since this page was loaded. `;
    const link = document.createElement("a");
    link.href = "";
    link.textContent = "Load them";
    live.append(link);
  });
}

const nav = document.querySelector("nav");
const times = document.querySelectorAll("time[datetime]");
if (nav && times.length) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  const show = (isLocal) => {
    for (const time of times) {
      time.dataset.eve ??= time.textContent;
      time.textContent = isLocal ? new Date(time.dateTime).toLocaleString() : time.dataset.eve;
    }
    button.textContent = isLocal ? "EVE time" : "Local time";
    button.setAttribute("aria-pressed", String(isLocal));
  };
  let isLocal = localStorage.getItem("local-time") === "yes";
  button.addEventListener("click", () => {
    isLocal = !isLocal;
    localStorage.setItem("local-time", isLocal ? "yes" : "no");
    show(isLocal);
  });
  nav.append(button);
  show(isLocal);
}
