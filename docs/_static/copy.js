// A button in each block of code that copies it: of a console, the commands alone.

function textOf(block) {
  const text = block.querySelector("pre").textContent;
  const lines = text.split("\n");
  if (!lines.some((line) => line.startsWith("$ "))) return text;
  return lines.filter((line) => line.startsWith("$ ")).map((line) => line.slice(2) + "\n").join("");
}

document.addEventListener("DOMContentLoaded", () => {
  for (const block of document.querySelectorAll("div.highlight")) {
    const pre = block.querySelector("pre");
    if (!pre) continue;
    if (pre.scrollWidth > pre.clientWidth) pre.tabIndex = 0; // so that keys can scroll it
    const button = document.createElement("button");
    button.className = "copy";
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(textOf(block));
        button.textContent = "Copied";
      } catch {
        button.textContent = "Not allowed";
      }
      setTimeout(() => (button.textContent = "Copy"), 2000);
    });
    block.append(button);
  }
});
