/* Copyright (c) 2026, The faultline.chaos authors
   GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
   SPDX-License-Identifier: GPL-3.0-or-later */
// Niceties only: the page says everything without this.
(function () {
  "use strict";
  var data = JSON.parse(document.getElementById("points").textContent);
  var plots = Array.prototype.slice.call(document.querySelectorAll(".plot"));
  var space = "http:" + "//www.w3.org/2000/svg";
  var at = 0.5;
  document.documentElement.classList.add("js");

  function clock(seconds) {
    return new Date((data.start + seconds) * 1000).toISOString().slice(11, 19);
  }

  function nearest(points, seconds) {
    var low = 0, high = points.length - 1;
    while (high - low > 1) {
      var middle = (low + high) >> 1;
      if (points[middle][0] < seconds) { low = middle; } else { high = middle; }
    }
    if (high < 0) { return null; }
    return Math.abs(points[low][0] - seconds) <= Math.abs(points[high][0] - seconds) ? points[low] : points[high];
  }

  function words(point) {
    var parts = [clock(point[0]), point[1] ? "ok" : "failed"];
    if (point[2] !== null) { parts.push(point[2] + " ms"); }
    if (point[3] !== "") { parts.push(point[3]); }
    return parts.join(" \u00b7 ");
  }

  function show(share) {
    at = share === null ? at : share;
    plots.forEach(function (plot) {
      var svg = plot.querySelector("svg"), line = svg.querySelector(".hair");
      if (!line) {
        line = document.createElementNS(space, "line");
        line.setAttribute("class", "hair");
        line.setAttribute("y1", 18);
        line.setAttribute("y2", svg.viewBox.baseVal.height - 22);
        svg.appendChild(line);
      }
      line.style.display = share === null ? "none" : "";
      var left = Number(plot.dataset.left || data.left);
      var x = left + (share || 0) * (data.right - left);
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
      if (plot.dataset.probe === undefined) { return; }
      var readout = plot.parentNode.querySelector(".readout");
      var seconds = (share || 0) * data.span, point = nearest(data.probes[plot.dataset.probe], seconds);
      var near = share !== null && point && Math.abs(point[0] - seconds) < Math.max(data.span / 60, 2);
      readout.textContent = share === null ? "" : near ? words(point) : clock(seconds) + " \u00b7 no sample";
      readout.className = "readout" + (near && !point[1] ? " no" : "");
    });
  }

  plots.forEach(function (plot) {
    var left = Number(plot.dataset.left || data.left);
    plot.addEventListener("pointermove", function (event) {
      var box = plot.querySelector("svg").getBoundingClientRect();
      var x = (event.clientX - box.left) / box.width * data.width;
      show(Math.min(Math.max((x - left) / (data.right - left), 0), 1));
    });
    plot.addEventListener("pointerleave", function () { show(null); });
    plot.addEventListener("blur", function () { show(null); });
    plot.addEventListener("keydown", function (event) {
      var step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) { return; }
      event.preventDefault();
      show(Math.min(Math.max(at + step * (event.shiftKey ? 0.05 : 0.005), 0), 1));
    });
  });

  function ago(seconds) {
    var units = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
    for (var i = 0; i < units.length; i += 1) {
      var count = Math.floor(seconds / units[i][0]);
      if (count || i === 3) { return count + " " + units[i][1] + (count === 1 ? "" : "s"); }
    }
    return "";
  }

  function countdown() {
    document.querySelectorAll("time.deadline").forEach(function (time) {
      var note = time.parentNode.querySelector("small") || time.parentNode.appendChild(document.createElement("small"));
      var left = Math.round((Date.parse(time.dateTime) - Date.now()) / 1000);
      note.textContent = left > 0 ? " in " + ago(left) : " was " + ago(-left) + " ago: audit it now";
    });
  }
  countdown();
  setInterval(countdown, 1000);
}());
