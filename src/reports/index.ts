export { chartSvg, type ChartOptions, type ChartLevel, type ChartSeries } from './chart.js';
export { runCharts, saveCurves, saveRunCurves, type CurveLevels } from './curves.js';
export { evaluationCard } from './evaluation-card.js';
export { layoutSvg, saveLayout, type LayoutPicture } from './layout.js';
export * from './page.js';
export { writeReport } from './run-report.js';
